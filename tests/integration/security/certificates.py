"""A certificate authority of the test's own, made by openssl: server and client certificates for loopback."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 30
_LEAF = """\
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:localhost,IP:127.0.0.1
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """Keeps its key and what it signs in `folder`; PEM throughout, keys unencrypted."""

    folder: Path

    @staticmethod
    def create(folder: Path) -> "Authority":
        """A new one, that nobody else trusts."""
        folder.mkdir(parents=True)
        authority = Authority(folder)
        usage = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        extensions = [word for line in usage for word in ("-addext", line)]
        _openssl("req", "-x509", *_new_key(folder / "ca.key"), "-subj", "/CN=solaris-tests", *extensions, "-days", "2",
                 "-out", str(authority.certificate))  # fmt: skip
        return authority

    @property
    def certificate(self) -> Path:
        """What its clients trust."""
        return self.folder / "ca.pem"

    def issue(self, name: str) -> "Identity":
        """A certificate for `name` that holds for localhost and 127.0.0.1, as a server and as a client."""
        identity = Identity(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(_LEAF)
        _openssl("req", *_new_key(identity.key), "-subj", f"/CN={name}", "-out", str(request))
        _openssl("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey",
                 str(self.folder / "ca.key"), "-CAcreateserial", "-days", "2", "-extfile", str(extensions),
                 "-out", str(identity.certificate))  # fmt: skip
        return identity


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: Path
    key: Path

    def bundle(self, authority: Authority) -> Path:
        """Key, certificate and the authority's in one file, as Kafka wants its keystore."""
        path = self.key.with_suffix(".keystore.pem")
        path.write_text("".join(part.read_text() for part in (self.key, self.certificate, authority.certificate)))
        return path


def _new_key(path: Path) -> list[str]:
    return ["-newkey", "rsa:2048", "-nodes", "-keyout", str(path)]


def _openssl(*words: str) -> None:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]} ended with {done.returncode}:\n{done.stderr}")
