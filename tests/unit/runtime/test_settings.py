import fcntl
from pathlib import Path

import pytest

from runtime.addresses import LOCK_NAME, read_addresses, stack_runs, without_password, write_addresses
from runtime.environment import SettingsError
from runtime.settings import kafka_settings, redis_settings


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_environment_leads_then_the_local_stack_then_loopback() -> None:
    assert kafka_settings({}).bootstrap == "127.0.0.1:9092"
    write_addresses({"kafka": "127.0.0.1:7001", "redis": "redis://127.0.0.1:7002/0"})
    assert kafka_settings({}).bootstrap == "127.0.0.1:7001"
    assert redis_settings({}).url == "redis://127.0.0.1:7002/0"
    assert kafka_settings({"SOLARIS_KAFKA_BOOTSTRAP": "broker:1"}).bootstrap == "broker:1"


def test_secrets_do_not_show_in_a_repr() -> None:
    environ = {
        "SOLARIS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "SOLARIS_KAFKA_SASL_USERNAME": "app",
        "SOLARIS_KAFKA_SASL_PASSWORD": "hunter2",
        "SOLARIS_REDIS_URL": "rediss://app:hunter2@cache:6379/0",
    }
    shared = {name: value for name, value in environ.items() if "KAFKA" in name}
    assert "hunter2" not in repr(kafka_settings(shared))
    assert "hunter2" not in repr(redis_settings({"SOLARIS_REDIS_URL": environ["SOLARIS_REDIS_URL"]}))
    assert kafka_settings(shared).librdkafka()["sasl.password"] == "hunter2"


def test_sasl_without_credentials_is_refused() -> None:
    with pytest.raises(SettingsError, match="sasl_username"):
        kafka_settings({"SOLARIS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"})


def test_the_addresses_are_readable_for_their_user_alone() -> None:
    write_addresses({"redis": "redis://app:hunter2@127.0.0.1:7002/0"})
    assert Path("var/addresses.json").stat().st_mode & 0o777 == 0o600


def test_a_broken_addresses_file_is_named() -> None:
    Path("var").mkdir()
    Path("var/addresses.json").write_text("{")
    with pytest.raises(ValueError, match=r"var/addresses\.json is not JSON"):
        read_addresses()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SOLARIS_KAFKA_SSL_CA_LOCATION": "ca.pem"}, "security_protocol is PLAINTEXT"),
        ({"SOLARIS_KAFKA_SASL_PASSWORD": "secret"}, "security_protocol is PLAINTEXT"),
        (
            {"SOLARIS_KAFKA_SECURITY_PROTOCOL": "SSL", "SOLARIS_KAFKA_SSL_KEY_LOCATION": "a.key"},
            "ssl_certificate_location and ssl_key_location",
        ),
    ],
)
def test_what_would_be_ignored_on_an_open_connection_is_refused(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        kafka_settings(environ)
    assert "secret" not in str(refused.value)


def test_certificates_without_a_tls_address_are_refused() -> None:
    with pytest.raises(SettingsError, match="rediss://"):
        redis_settings({"SOLARIS_REDIS_SSL_CA_LOCATION": "ca.pem"})


def test_addresses_of_a_killed_stack_are_refused_and_those_of_a_running_one_are_not() -> None:
    write_addresses({"kafka": "127.0.0.1:7001", "redis": "redis://127.0.0.1:7002/0"})
    assert stack_runs() is None
    with Path("var", LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert stack_runs() is True
        assert kafka_settings({}).bootstrap == "127.0.0.1:7001"
    assert stack_runs() is False
    with pytest.raises(SettingsError, match=r"var/addresses\.json is of a stack that is not running.*make demo"):
        kafka_settings({})
    assert kafka_settings({"SOLARIS_KAFKA_BOOTSTRAP": "broker:1"}).bootstrap == "broker:1"


def test_an_address_is_shown_without_its_password() -> None:
    assert without_password("rediss://app:p%40ss@cache:6379/0") == "rediss://***@cache:6379/0"
    assert without_password("redis://cache:6379/0") == "redis://cache:6379/0"
    assert without_password("broker-1:9092,broker-2:9092") == "broker-1:9092,broker-2:9092"
