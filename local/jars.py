"""Kafka's jars: fetched once from Maven Central, and no byte of them runs that the lock file does not name.

`local/kafka/jgo.lock.toml` holds every jar with its SHA-256; `python -m local lock` writes it anew from `jgo.toml`.
jgo verifies nothing when it reads a lock file, so this module does, before every start. The class path is the list of
the lock's jars and nothing else: a stray file in the folder is never loaded.
"""

import fcntl
import hashlib
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.env import EnvironmentBuilder, EnvironmentSpec
from jgo.maven import MavenContext
from tqdm import tqdm

SPEC = Path(__file__).parent / "kafka" / "jgo.toml"
LOCK = Path(__file__).parent / "kafka" / "jgo.lock.toml"
FETCH_TIMEOUT_S = 60  # for each answer of the repository, not for the whole
FETCHES_AT_ONCE = 4


class JarError(Exception):
    """A jar cannot be fetched, or is not the one that the lock file names."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    def path_in(self, folder: Path) -> Path:
        return folder / self.file_name


Fetch = Callable[[Jar, Path], Path]  # (jar, empty folder to use) -> the fetched file


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """The jars of a lock file; raises JarError for one without a hash."""
    jars = []
    for entry in tomllib.loads(lock.read_text())["dependencies"]:
        if not entry.get("sha256"):
            raise JarError(f"{lock}: {entry['artifactId']} has no sha256; write the lock anew: python -m local lock")
        jars.append(Jar(entry["groupId"], entry["artifactId"], entry["version"], entry["sha256"]))
    return jars


def ensure_jars(folder: Path, jars: list[Jar], fetch: Fetch | None = None) -> list[Path]:
    """Fetch what is missing in `folder`, verify every file, return the class path.

    Safe beside other processes doing the same. Raises JarError naming the jar; nothing has been started then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _only_process_in(folder):
        missing = [jar for jar in jars if not jar.path_in(folder).exists()]
        if missing:
            _fetch_all(missing, folder, fetch or _fetch_from_maven)
    for jar in jars:
        _verify(jar, jar.path_in(folder), "delete the file to have it fetched again")
    return [jar.path_in(folder) for jar in jars]


def write_lock(spec: Path = SPEC, lock: Path = LOCK, *, repository: Path) -> int:
    """Resolve `spec` on Maven Central and write every jar with its hash to `lock`; returns their number."""
    context = MavenContext(repo_cache=repository, remote_repos=_repositories(), timeout=FETCH_TIMEOUT_S)
    builder = EnvironmentBuilder(context, cache_dir=repository.parent / "environment")
    resolved = builder.resolve_lockfile(EnvironmentSpec.load(spec))
    resolved.save(lock)
    return len(resolved.dependencies)


@contextmanager
def _only_process_in(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch_all(jars: list[Jar], folder: Path, fetch: Fetch) -> None:
    staging = folder / ".fetching"
    shutil.rmtree(staging, ignore_errors=True)  # of a fetch that was killed

    def fetch_one(jar: Jar) -> None:
        try:
            file = fetch(jar, staging / jar.file_name)
        except Exception as error:  # requests' and jgo's own; all of them mean that the jar did not come
            raise JarError(f"{jar.file_name} could not be fetched: {error}") from error
        _verify(jar, file, "what the repository sent was thrown away")
        file.replace(jar.path_in(folder))

    try:
        with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
            done = pool.map(fetch_one, jars)
            list(tqdm(done, "Kafka's jars", len(jars), unit="jar", disable=not sys.stderr.isatty()))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fetch_from_maven(jar: Jar, folder: Path) -> Path:
    context = MavenContext(repo_cache=folder, remote_repos=_repositories(), timeout=FETCH_TIMEOUT_S)
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    return Path(context.resolver.download(artifact))


def _repositories() -> dict[str, str] | None:
    """Mirrors from jgo's own settings file (`central = URL` under `[repositories]`), else None: Maven Central."""
    return GlobalSettings.load().repositories or None


def _verify(jar: Jar, file: Path, hint: str) -> None:
    with file.open("rb") as handle:
        actual = hashlib.file_digest(handle, "sha256").hexdigest()
    if actual != jar.sha256:
        raise JarError(
            f"{jar.file_name} is not the locked file: SHA-256 {actual}, expected {jar.sha256} ({file}); {hint}"
        )
