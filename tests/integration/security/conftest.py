"""One secure broker and one secure Redis for all tests of this folder, and who may do what there."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from cache.redis_store import Profile, RedisStore
from inference.release import load_release
from runtime.settings import KafkaSettings, RedisSettings, kafka_settings, redis_settings
from streams.admin import Admin
from tests.agents import make_live
from tests.integration.inference.ranker import fill_items
from tests.integration.security import servers
from tests.integration.security.certificates import Authority
from tests.integration.security.servers import (
    ADMIN,
    ADMIN_PASSWORD,
    APP,
    APP_PASSWORD,
    DOCUMENT,
    SecureKafka,
    SecureRedis,
    running_secure_kafka,
    running_secure_redis,
)

Variables = dict[str, str]


@dataclass(frozen=True, slots=True)
class Secured:
    """The servers, and the variables with which a process of ours gets in."""

    kafka: SecureKafka
    redis: SecureRedis
    authority: Authority

    @property
    def variables(self) -> Variables:
        """What docs/security.md tells an operator to set."""
        ca = str(self.authority.certificate)
        return {
            "SOLARIS_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "SOLARIS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "SOLARIS_KAFKA_SASL_USERNAME": APP,
            "SOLARIS_KAFKA_SASL_PASSWORD": APP_PASSWORD,
            "SOLARIS_KAFKA_SSL_CA_LOCATION": ca,
            "SOLARIS_REDIS_URL": self.redis.url(),
            "SOLARIS_REDIS_SSL_CA_LOCATION": ca,
        }

    def kafka_settings(self, **changed: str) -> KafkaSettings:
        return kafka_settings(self.variables | changed)

    def redis_settings(self, **changed: str) -> RedisSettings:
        return redis_settings(self.variables | changed)

    @property
    def admin(self) -> Variables:
        """An administrator's variables, who makes the topics."""
        return self.variables | {
            "SOLARIS_KAFKA_SASL_USERNAME": ADMIN,
            "SOLARIS_KAFKA_SASL_PASSWORD": ADMIN_PASSWORD,
        }


@pytest.fixture(scope="session")
def authority(server_folder: Path) -> Authority:
    return Authority.create(server_folder / "authority")


@pytest.fixture(scope="session")
def strangers(server_folder: Path) -> Authority:
    """An authority that signed nothing here."""
    return Authority.create(server_folder / "strangers")


@pytest.fixture(scope="session")
def secured(server_folder: Path, authority: Authority) -> Iterator[Secured]:
    """Kafka with all topics, where the app has the documented rights and no more; Redis with a live release."""
    if servers.redis_server() is None:
        pytest.skip("redis-server is missing; get it with `make tools`")
    with (
        running_secure_redis(server_folder / "secure-redis", authority) as redis,
        running_secure_kafka(server_folder / "secure-kafka", authority) as kafka,
    ):
        secured = Secured(kafka, redis, authority)
        Admin(kafka_settings(secured.admin)).create_topics()
        grant(kafka, documented_grants())
        asyncio.run(_fill(secured, server_folder / "secure-releases"))
        yield secured


@pytest.fixture
async def store(secured: Secured) -> AsyncIterator[RedisStore]:
    store = RedisStore.connect(secured.redis_settings(), Profile.AGENT)
    yield store
    await store.close()


def documented_grants() -> list[AclBinding]:
    """The table of docs/security.md as Kafka takes it."""
    rows = re.findall(
        r"^\| (topic|group) \| `(\S+)` \| prefixed \| ([A-Z_, ]+) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    assert {kind for kind, _, _ in rows} == {"topic", "group"}, f"{DOCUMENT} has no table of Kafka rights"
    return [
        AclBinding(
            ResourceType[kind.upper()],
            name,
            ResourcePatternType.PREFIXED,
            f"User:{APP}",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for kind, name, operations in rows
        for operation in operations.split(", ")
    ]


def grant(kafka: SecureKafka, bindings: list[AclBinding]) -> None:
    """Give rights, and wait until the broker has taken them."""
    admin = AdminClient(kafka.client_config())  # kept: without it the calls under way end
    for done in admin.create_acls(bindings).values():
        done.result(30)


async def _fill(secured: Secured, folder: Path) -> None:
    store = RedisStore.connect(secured.redis_settings(), Profile.AGENT)
    try:
        await make_live(store, folder)
        await fill_items(store, load_release(folder / "v1"))
    finally:
        await store.close()
