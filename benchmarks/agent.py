"""One agent as its own process, and what it says of itself."""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from local.ports import LOOPBACK, free_port
from local.process import Child, tail

ANSWER_TIMEOUT_S = 5.0
STOP_S = 30.0
LOOK_EVERY_S = 1.0  # a look costs the agent some ten milliseconds


@dataclass(frozen=True, slots=True)
class Look:
    """A metric at one time: monotonic seconds, its value, the process's processor seconds so far."""

    at_s: float
    value: float
    cpu_s: float


class Agent:
    """`python -m faust -A streams.<name> worker` on free ports, with its log in `folder`."""

    def __init__(self, name: str, env: Mapping[str, str], folder: Path) -> None:
        self._port = free_port()
        self._log = folder / f"{name}.log"
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "faust", "-A", f"streams.{name}", "worker"]
        with self._log.open("ab") as output:
            self.child = Child(command, env={**env, "SOLARIS_AGENT_PORT": str(self._port)}, output=output)

    def stop(self) -> int:
        """SIGTERM and wait; the exit status."""
        return self.child.stop(STOP_S)

    def metrics(self) -> dict[str, float]:
        """Samples by `name` and `name{label values}`; empty while it does not answer. RuntimeError if it has ended."""
        if self.child.status is not None:
            raise RuntimeError(f"the agent ended with status {self.child.status}:\n{tail(self._log)}")
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port}/metrics", timeout=ANSWER_TIMEOUT_S) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {_name(sample.name, sample.labels): sample.value for sample in samples}

    def look(self, name: str) -> Look:
        """A metric now; 0 while the process does not answer."""
        return Look(time.monotonic(), self.metrics().get(name, 0.0), self.cpu_s())

    def watch(self, name: str, at_least: float, timeout_s: float) -> list[Look]:
        """Looks at a metric, one a second, until it reaches a value; raises TimeoutError."""
        looks = [self.look(name)]
        deadline = time.monotonic() + timeout_s
        while looks[-1].value < at_least:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is {looks[-1].value}, not {at_least}:\n{tail(self._log)}")
            time.sleep(LOOK_EVERY_S)
            looks.append(self.look(name))
        return looks

    def cpu_s(self) -> float:
        """Processor seconds used so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _name(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(labels.values())}}}" if labels else name
