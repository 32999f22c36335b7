"""No jar runs that is not the locked one."""

import hashlib
import tomllib
from pathlib import Path

import pytest

from local.jars import SPEC, Jar, JarError, ensure_jars, locked_jars

GOOD = b"the locked content"
JAR = Jar("org.example", "thing", "1.0", hashlib.sha256(GOOD).hexdigest())


class Repository:
    """Sends `content`, and remembers for which jars."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[str] = []

    def fetch(self, jar: Jar, folder: Path) -> Path:
        self.asked.append(jar.file_name)
        folder.mkdir(parents=True)
        (folder / "download").write_bytes(self.content)
        return folder / "download"


def test_a_missing_jar_is_fetched_once(tmp_path: Path) -> None:
    repository = Repository(GOOD)
    for _ in range(2):
        assert ensure_jars(tmp_path, [JAR], repository.fetch) == [tmp_path / "thing-1.0.jar"]
    assert repository.asked == ["thing-1.0.jar"]
    assert (tmp_path / "thing-1.0.jar").read_bytes() == GOOD


def test_a_changed_jar_is_refused_by_name(tmp_path: Path) -> None:
    ensure_jars(tmp_path, [JAR], Repository(GOOD).fetch)
    (tmp_path / "thing-1.0.jar").write_bytes(GOOD + b"!")
    with pytest.raises(JarError, match=r"thing-1\.0\.jar is not the locked file"):
        ensure_jars(tmp_path, [JAR], Repository(GOOD).fetch)


def test_a_wrong_jar_from_the_repository_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(JarError, match=r"thing-1\.0\.jar is not the locked file"):
        ensure_jars(tmp_path, [JAR], Repository(b"something else").fetch)
    assert not (tmp_path / "thing-1.0.jar").exists()
    ensure_jars(tmp_path, [JAR], Repository(GOOD).fetch)


def test_a_repository_that_cannot_be_reached_is_named_with_the_jar(tmp_path: Path) -> None:
    def unreachable(jar: Jar, folder: Path) -> Path:
        raise ConnectionError("no route")

    with pytest.raises(JarError, match=r"thing-1\.0\.jar could not be fetched: no route"):
        ensure_jars(tmp_path, [JAR], unreachable)


def test_a_stray_jar_is_not_on_the_class_path(tmp_path: Path) -> None:
    (tmp_path / "stray.jar").write_bytes(b"")
    assert ensure_jars(tmp_path, [JAR], Repository(GOOD).fetch) == [tmp_path / "thing-1.0.jar"]


def test_a_lock_without_a_hash_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "jgo.lock.toml"
    lock.write_text('[[dependencies]]\ngroupId = "g"\nartifactId = "thing"\nversion = "1"\npackaging = "jar"\n')
    with pytest.raises(JarError, match="thing has no sha256"):
        locked_jars(lock)


def test_the_lock_holds_what_the_spec_asks_for() -> None:
    locked = {f"{jar.group}:{jar.artifact}:{jar.version}" for jar in locked_jars()}
    asked = tomllib.loads(SPEC.read_text())["dependencies"]["coordinates"]
    assert asked
    assert set(asked) <= locked
    assert all(len(jar.sha256) == 64 for jar in locked_jars())
    assert len({jar.file_name for jar in locked_jars()}) == len(locked)  # they share one folder
