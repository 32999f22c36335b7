"""The settings that all processes share: how to reach Kafka and Redis.

The environment leads; where it is silent, the running local stack's addresses; else the usual ports on loopback.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from runtime.addresses import read_addresses
from runtime.environment import SettingsError, load

_MODEL_NAME = re.compile("[a-z0-9.-]{1,64}")
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """`SOLARIS_KAFKA_*`: broker addresses and credentials, for librdkafka and for Faust alike."""

    bootstrap: str = "127.0.0.1:9092"  # `host:port` of one broker or more, separated by commas
    security_protocol: SecurityProtocol = "PLAINTEXT"  # how to talk to them (docs/security.md)
    sasl_mechanism: str = "SCRAM-SHA-512"  # or SCRAM-SHA-256, PLAIN
    sasl_username: str | None = None  # with SASL_*: who we are
    sasl_password: str | None = field(default=None, repr=False)  # and the proof of it
    ssl_ca_location: str | None = None  # PEM of the authority; without it the system's are trusted
    ssl_certificate_location: str | None = None  # PEM of a client certificate
    ssl_key_location: str | None = None  # PEM of its key, without a passphrase

    def __post_init__(self) -> None:
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_username and sasl_password")
        given = [self.ssl_ca_location, self.ssl_certificate_location, self.ssl_key_location]
        if any(given) and not self.security_protocol.endswith("SSL"):
            raise ValueError(f"ssl_* locations are set, and security_protocol is {self.security_protocol}")
        if (self.sasl_username or self.sasl_password) and not self.security_protocol.startswith("SASL"):
            raise ValueError(f"sasl_username or _password is set, and security_protocol is {self.security_protocol}")
        check_key_pair(self.ssl_certificate_location, self.ssl_key_location)

    def librdkafka(self) -> dict[str, str]:
        """The connection part of a librdkafka configuration."""
        config = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security_protocol}
        if self.security_protocol.startswith("SASL"):
            config |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username or "",
                "sasl.password": self.sasl_password or "",
            }
        optional = {
            "ssl.ca.location": self.ssl_ca_location,
            "ssl.certificate.location": self.ssl_certificate_location,
            "ssl.key.location": self.ssl_key_location,
        }
        return config | {name: value for name, value in optional.items() if value}


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """`SOLARIS_REDIS_*`: one node (`redis://`, or `rediss://` for TLS) or a cluster, with the user in the URL."""

    url: str = field(default="redis://127.0.0.1:6379/0", repr=False)  # may hold user and password
    cluster: bool = False  # whether the URL is of a node of a cluster
    max_connections: int = 32  # of one process; callers beyond it queue
    request_timeout_ms: int = 50  # the ranker's socket timeout; the request's own deadline is outside of it
    agent_timeout_ms: int = 2000  # agents wait longer: they pause and lose nothing
    ssl_ca_location: str | None = None  # PEM of the authority, with `rediss://`
    ssl_certificate_location: str | None = None  # PEM of a client certificate, where the server asks for one
    ssl_key_location: str | None = None  # PEM of its key

    def __post_init__(self) -> None:
        if not self.url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("url must start with redis://, rediss:// or unix://")
        certificates = (self.ssl_ca_location, self.ssl_certificate_location, self.ssl_key_location)
        if any(certificates) and not self.url.startswith("rediss://"):
            raise ValueError("ssl_* locations are set, and url does not start with rediss://")
        check_key_pair(self.ssl_certificate_location, self.ssl_key_location)
        for name in ("max_connections", "request_timeout_ms", "agent_timeout_ms"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


def kafka_settings(environ: Mapping[str, str] | None = None) -> KafkaSettings:
    """Read `SOLARIS_KAFKA_*`, then the local stack's address."""
    environ = os.environ if environ is None else environ
    settings = load(KafkaSettings, "SOLARIS_KAFKA", environ)
    local = None if "SOLARIS_KAFKA_BOOTSTRAP" in environ else read_addresses().get("kafka")
    return replace(settings, bootstrap=local) if local else settings


def redis_settings(environ: Mapping[str, str] | None = None) -> RedisSettings:
    """Read `SOLARIS_REDIS_*`, then the local stack's address."""
    environ = os.environ if environ is None else environ
    settings = load(RedisSettings, "SOLARIS_REDIS", environ)
    local = None if "SOLARIS_REDIS_URL" in environ else read_addresses().get("redis")
    return replace(settings, url=local) if local else settings


def model_name(environ: Mapping[str, str] | None = None) -> str:
    """`SOLARIS_MODEL`: the model that is trained, and that agents and ranker work for; raises SettingsError."""
    name = (os.environ if environ is None else environ).get("SOLARIS_MODEL", "main")
    try:
        return check_model_name(name)
    except ValueError as error:
        raise SettingsError(f"SOLARIS_MODEL: {error}") from None


def check_key_pair(certificate: str | None, key: str | None) -> None:
    """ValueError if a client certificate stands there without its key, or the other way round."""
    if (certificate is None) != (key is None):
        raise ValueError("ssl_certificate_location and ssl_key_location go together")


def check_model_name(name: str) -> str:
    """Return `name`; ValueError if it cannot be part of keys, folders and events."""
    if not _MODEL_NAME.fullmatch(name):
        raise ValueError(f"model name {name!r} does not match {_MODEL_NAME.pattern}")
    return name
