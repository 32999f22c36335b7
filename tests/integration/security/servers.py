"""Kafka behind TLS, passwords and rights, and Redis behind TLS and an ACL: as the DOCUMENT asks for them."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from local.kafka import Kafka
from local.ports import LOOPBACK, free_port
from local.server import running
from tests.integration.security.certificates import Authority

DOCUMENT = Path(__file__).parents[3] / "docs" / "security.md"

ADMIN, ADMIN_PASSWORD = "admin", "kafka-admin-3b1f"  # makes topics and grants rights
APP, APP_PASSWORD = "solaris", "kafka-app-77c2"  # what our processes are
REDIS_USER, REDIS_PASSWORD = "solaris", "redis-app-90ad"
PASSWORDS = (ADMIN_PASSWORD, APP_PASSWORD, REDIS_PASSWORD)

_SECURITY = """\
listeners={public},CONTROLLER://{host}:{controller_port}
advertised.listeners={public}
listener.security.protocol.map=SASL_SSL:SASL_SSL,MTLS:SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.mtls.ssl.client.auth=required
listener.name.mtls.ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{admin};User:ANONYMOUS
allow.everyone.if.no.acl.found=false
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureKafka(Kafka):
    """One broker with two ways in: `port` by password, `mtls_port` by certificate. Both are TLS."""

    mtls_port: int
    internal_port: int
    keystore: Path
    truststore: Path

    def settings(self) -> str:
        ports = {"SASL_SSL": self.port, "MTLS": self.mtls_port, "INTERNAL": self.internal_port}
        # Of a name that stands there twice, Java takes the last.
        return Kafka.settings(self) + _SECURITY.format(
            public=",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()),
            host=LOOPBACK,
            controller_port=self.controller_port,
            keystore=self.keystore,
            truststore=self.truststore,
            admin=ADMIN,
        )

    def format_options(self) -> list[str]:
        users = ((ADMIN, ADMIN_PASSWORD), (APP, APP_PASSWORD))
        return [
            word
            for name, password in users
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]

    def client_config(self) -> dict[str, str]:
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": ADMIN,
            "sasl.password": ADMIN_PASSWORD,
            "ssl.ca.location": str(self.truststore),
        }


@contextmanager
def running_secure_kafka(folder: Path, authority: Authority) -> Iterator[SecureKafka]:
    """A broker on free ports; certificates come from `authority`."""
    folder.mkdir(parents=True)
    keystore = authority.issue("broker").bundle(authority)

    def make() -> SecureKafka:
        return SecureKafka(
            folder,
            free_port(),
            free_port(),
            mtls_port=free_port(),
            internal_port=free_port(),
            keystore=keystore,
            truststore=authority.certificate,
        )

    with running(make, folder / "kafka.log") as server:
        yield server


def redis_server() -> str | None:
    """The path of a Redis built with TLS, which the Valkey of our wheel is not; None if it is not installed."""
    return shutil.which("redis-server")


@dataclass(frozen=True, slots=True)
class SecureRedis:
    """One node that speaks TLS only and knows one user, with the rights that docs/security.md gives."""

    folder: Path
    port: int
    authority: Authority
    client_certificates: bool

    @property
    def name(self) -> str:
        return "redis"

    def url(self, password: str = REDIS_PASSWORD) -> str:
        return f"rediss://{REDIS_USER}:{password}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        rights = documented_rights().replace(">PASSWORD", f">{REDIS_PASSWORD}")
        (self.folder / "users.acl").write_text(f"user default off\n{rights}\n")
        self.authority.issue("redis")

    def command(self) -> list[str]:
        folder = self.authority.folder
        options = {
            "port": "0",
            "tls-port": str(self.port),
            "bind": LOOPBACK,
            "dir": str(self.folder),
            "save": "",
            "set-proc-title": "no",
            "aclfile": str(self.folder / "users.acl"),
            "tls-cert-file": str(folder / "redis.pem"),
            "tls-key-file": str(folder / "redis.key"),
            "tls-ca-cert-file": str(self.authority.certificate),
            "tls-auth-clients": "yes" if self.client_certificates else "no",
        }
        program = redis_server()
        assert program is not None
        return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]

    def is_ready(self) -> bool:
        identity = self.authority.folder
        client = redis.Redis.from_url(
            self.url(),
            ssl_ca_certs=str(self.authority.certificate),
            ssl_certfile=str(identity / "redis.pem"),
            ssl_keyfile=str(identity / "redis.key"),
            socket_timeout=1.0,
        )
        try:
            with client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def documented_rights() -> str:
    """The ACL line of docs/security.md, which the tests run with."""
    found = re.search(r"^user solaris on >PASSWORD .*$", DOCUMENT.read_text(), re.MULTILINE)
    assert found is not None, f"{DOCUMENT} has no line of Redis rights"
    return found.group()


@contextmanager
def running_secure_redis(
    folder: Path, authority: Authority, *, client_certificates: bool = False
) -> Iterator[SecureRedis]:
    """A node on a free port."""
    folder.mkdir(parents=True)

    def make() -> SecureRedis:
        return SecureRedis(folder, free_port(), authority, client_certificates)

    with running(make, folder / "redis.log") as server:
        yield server
