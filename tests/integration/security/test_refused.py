"""A wrong password, a stranger's certificate or a missing right is said at once and in words; nothing looks healthy."""

import json
import logging
from pathlib import Path

import pytest
import redis.asyncio

from cache.redis_store import Profile, RedisStore
from cache.store import StoreUnavailable
from local.process import tail
from runtime.settings import KafkaSettings, kafka_settings
from runtime.unreachable import EXIT_UNREACHABLE
from streams.admin import AccessRefused, Admin, AdminError, PreflightError
from streams.agent.exits import Exit
from streams.wire.producer import Producer
from streams.wire.reader import Reader, ReaderError
from streams.wire.topics import Topic
from tests.integration.security.certificates import Authority
from tests.integration.security.conftest import Secured, Variables
from tests.integration.security.servers import REDIS_PASSWORD, running_secure_redis
from tests.integration.security.test_allowed import run_command
from tests.processes import AgentProcess, RankerProcess
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(600)]

WRONG = "wrong-password-55e1"
BAD_PAIR = "invalid username-password pair"
END_S = 120.0  # torch takes seconds to import, and the preflight tries four times


@pytest.fixture(params=["password", "mechanism", "authority", "protocol"])
def wrong(request: pytest.FixtureRequest, strangers: Authority) -> tuple[Variables, str]:
    """What is wrong with the way to Kafka, and what every message about it must name."""
    cases: dict[str, tuple[Variables, str]] = {
        "password": ({"SOLARIS_KAFKA_SASL_PASSWORD": WRONG}, "SOLARIS_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"),
        "mechanism": ({"SOLARIS_KAFKA_SASL_MECHANISM": "PLAIN"}, "SOLARIS_KAFKA_SASL_MECHANISM"),
        "authority": ({"SOLARIS_KAFKA_SSL_CA_LOCATION": str(strangers.certificate)}, "SOLARIS_KAFKA_SSL_CA_LOCATION"),
        "protocol": ({"SOLARIS_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "_SECURITY_PROTOCOL"),
    }
    return cases[request.param]


def settings_of(secured: Secured, changed: Variables) -> KafkaSettings:
    variables = secured.variables | changed
    if changed.get("SOLARIS_KAFKA_SECURITY_PROTOCOL") == "SASL_PLAINTEXT":
        del variables["SOLARIS_KAFKA_SSL_CA_LOCATION"]
    return kafka_settings(variables)


def test_admin_reader_and_producer_name_the_setting_that_is_wrong(
    secured: Secured, wrong: tuple[Variables, str], caplog: pytest.LogCaptureFixture
) -> None:
    settings, named = settings_of(secured, wrong[0]), wrong[1]
    refused = "PROTOCOL" not in named
    with pytest.raises(AccessRefused if refused else AdminError, match=named) as admin:
        Admin(settings, timeout_s=60 if refused else 3).metadata()
    reader = Reader(settings, Topic.USER_ACTIVITY, timeout_s=60 if refused else 3)
    with reader, pytest.raises(ReaderError, match=named) as read:
        reader.partitions()
    with caplog.at_level(logging.WARNING):
        producer = Producer(settings)
        producer.send_raw(Topic.USER_ACTIVITY, b"key", b"value")
        wait_until(lambda: named in (producer.error or ""), 30)
        assert producer.refused == refused
        producer.close(0.0)
    assert named in caplog.text
    told = [line for line in caplog.text.splitlines() if named in line]
    assert len(told) == 1, "once is enough, the client says it several times a second"
    assert WRONG not in caplog.text + str(admin.value) + str(read.value)


def test_an_agent_that_kafka_refuses_says_so_and_ends(secured: Secured, tmp_path: Path) -> None:
    agent = started(secured, tmp_path, {"SOLARIS_KAFKA_SASL_PASSWORD": WRONG})
    try:
        assert agent.child is not None
        assert agent.child.wait_exit(END_S), tail(agent.log)
        assert agent.child.status == Exit.MISCONFIGURED
        log = agent.log.read_text()
        assert "SOLARIS_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD" in log.splitlines()[-1]
        assert WRONG not in log
    finally:
        agent.kill()


def test_an_agent_that_redis_refuses_says_so_and_is_not_ready(secured: Secured, tmp_path: Path) -> None:
    agent = started(secured, tmp_path, {"SOLARIS_REDIS_URL": secured.redis.url(WRONG)})
    try:
        agent.wait_consuming()

        def refused() -> tuple[int, str] | None:
            status, body = agent.get("/readyz")
            return (status, body) if BAD_PAIR in body and BAD_PAIR in agent.log.read_text() else None

        status, body = wait_until(refused, END_S) or (0, "")
        assert status == 503
        assert BAD_PAIR in json.loads(body)["failures"]["store"]
        assert WRONG not in agent.log.read_text() + body
    finally:
        agent.kill()


def test_a_ranker_that_redis_refuses_says_so_and_is_not_ready(secured: Secured, tmp_path: Path) -> None:
    variables = secured.variables | {"SOLARIS_REDIS_URL": secured.redis.url(WRONG)}
    ranker = RankerProcess(secured.kafka.bootstrap, "", tmp_path, variables).start()
    try:
        wait_until(lambda: ranker.get("/readyz")[0] == 503, END_S)
        # A first try may be too late for a request's short patience, and say so.
        wait_until(lambda: BAD_PAIR in ranker.get("/readyz")[1] and BAD_PAIR in ranker.log.read_text(), END_S)
        assert WRONG not in ranker.log.read_text()
    finally:
        assert ranker.stop() == 0


def test_commands_name_the_setting_that_is_wrong(secured: Secured) -> None:
    kafka = secured.variables | {"SOLARIS_KAFKA_SASL_PASSWORD": WRONG}
    redis = secured.variables | {"SOLARIS_REDIS_URL": secured.redis.url(WRONG)}
    missing = {name: value for name, value in secured.variables.items() if "USERNAME" not in name}
    for words, variables, status, named in (
        (("streams", "topics"), kafka, EXIT_UNREACHABLE, "_USERNAME and _PASSWORD"),
        (("streams", "produce", "item", "--item", "x", "--delete"), kafka, EXIT_UNREACHABLE, "_USERNAME and _PASSWORD"),
        (("inference", "release", "list"), redis, EXIT_UNREACHABLE, BAD_PAIR),
        (("streams", "topics"), missing, 2, "sasl_username"),
    ):
        done = run_command(words, variables)
        assert (done.returncode, named in done.stderr) == (status, True), f"{words}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        assert WRONG not in done.stdout + done.stderr


def test_the_preflight_names_what_the_user_may_not_read(secured: Secured) -> None:
    admin = Admin(secured.kafka_settings())
    admin.preflight([Topic.USER_ACTIVITY], "solaris.user-refresh")
    with pytest.raises(PreflightError, match=r"group somebody\.else.*authoriz"):
        admin.preflight([Topic.USER_ACTIVITY], "somebody.else")


async def test_a_redis_of_a_strange_authority_is_refused(secured: Secured, strangers: Authority) -> None:
    changed = {"SOLARIS_REDIS_SSL_CA_LOCATION": str(strangers.certificate)}
    store = RedisStore.connect(secured.redis_settings(**changed), Profile.AGENT)
    with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await store.missing_epochs()
    await store.close()


async def test_redis_may_ask_for_our_certificate(secured: Secured, authority: Authority, tmp_path: Path) -> None:
    with running_secure_redis(tmp_path / "mutual", authority, client_certificates=True) as redis:
        identity = authority.issue("client")
        url = {"SOLARIS_REDIS_URL": redis.url()}
        shown = {
            "SOLARIS_REDIS_SSL_CERTIFICATE_LOCATION": str(identity.certificate),
            "SOLARIS_REDIS_SSL_KEY_LOCATION": str(identity.key),
        }
        store = RedisStore.connect(secured.redis_settings(**url, **shown), Profile.AGENT)
        assert await store.missing_epochs()
        await store.close()
        without = RedisStore.connect(secured.redis_settings(**url), Profile.AGENT)
        with pytest.raises(StoreUnavailable, match="connection"):  # the alert may be lost to the reset that follows
            await without.missing_epochs()
        await without.close()


async def test_the_redis_user_may_touch_no_other_keys_and_no_dangerous_commands(secured: Secured) -> None:
    client = redis.asyncio.Redis.from_url(
        secured.redis.url(REDIS_PASSWORD), ssl_ca_certs=str(secured.authority.certificate)
    )
    async with client:
        for words in (("GET", "other"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("FUNCTION", "LIST")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                await client.execute_command(*words)  # type: ignore[no-untyped-call]


def started(secured: Secured, folder: Path, changed: Variables) -> AgentProcess:
    agent = AgentProcess(
        "streams.user_refresh", secured.kafka.bootstrap, secured.redis.url(), folder, secured.variables | changed
    )
    return agent.start()
