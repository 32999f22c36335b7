"""Checks by tools that are not Python: `python -m tests.tools compose|rules`, part of `make check`.

`compose` asks docker compose (no daemon needed) whether the file is valid, `rules` asks promtool about the Prometheus
settings, the alert rules and their tests. A tool that is not installed is named together with how to get it; that is
an error only where `CI=true` is set, since a contributor without it can still work on everything else.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCAL_COMPOSE = ROOT / "var" / "tools" / "docker-compose"
COMPOSE_FILE = "docker-compose.yml"
PROFILES = ("monitoring", "gpu")
PROMETHEUS = "docker/prometheus"
TIMEOUT_S = 60


def find_compose() -> list[str] | None:
    """The command of Docker Compose v2: the one that `make tools` built, or the installed plugin."""
    if LOCAL_COMPOSE.exists():
        return [str(LOCAL_COMPOSE)]
    if shutil.which("docker"):
        version = subprocess.run(
            ["docker", "compose", "version"], capture_output=True, timeout=TIMEOUT_S, check=False
        )  # fails where the plugin is absent
        if version.returncode == 0:
            return ["docker", "compose"]
    return None


def find_promtool() -> list[str] | None:
    """The command of promtool."""
    path = shutil.which("promtool")
    return [path] if path else None


def compose_commands(compose: list[str]) -> list[list[str]]:
    """Every combination of profiles that a user may start is a valid file."""
    base = [*compose, "-f", COMPOSE_FILE]
    chosen = [[], *([profile] for profile in PROFILES), list(PROFILES)]
    return [[*base, *(f"--profile={profile}" for profile in profiles), "config", "-q"] for profiles in chosen]


def rules_commands(promtool: list[str]) -> list[list[str]]:
    """Settings, rules, and the rules' behaviour over time."""
    return [
        [*promtool, "check", "config", f"{PROMETHEUS}/prometheus.yml"],
        [*promtool, "check", "rules", f"{PROMETHEUS}/alerts.yml"],
        [*promtool, "test", "rules", f"{PROMETHEUS}/alerts_test.yml"],
    ]


CHECKS = {
    "compose": (find_compose, compose_commands, "Docker Compose v2 (var/tools/docker-compose, or the docker plugin)"),
    "rules": (find_promtool, rules_commands, "promtool (in Debian's package prometheus)"),
}


def run_check(name: str) -> int:
    """Run the check's commands; returns 0 if all were content, or if the tool is absent outside of CI."""
    find, commands, tool = CHECKS[name]
    command = find()
    if command is None:
        in_ci = os.environ.get("CI") == "true"
        print(f"{name}: {'FAILED' if in_ci else 'NOT CHECKED'}: {tool} is missing; get it with `make tools`")
        return 1 if in_ci else 0
    for each in commands(command):
        answer = subprocess.run(each, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        if answer.returncode != 0:
            print(f"{name}: FAILED: {' '.join(each[1:])}\n{answer.stdout}{answer.stderr}", file=sys.stderr)
            return 1
    print(f"{name}: ok ({len(commands(command))} checks by {Path(command[0]).name})")
    return 0


def main() -> int:
    """Run the named check."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools", description="Check container and rule files.")
    parser.add_argument("check", choices=sorted(CHECKS), help="which files to check")
    return run_check(parser.parse_args().check)


if __name__ == "__main__":
    sys.exit(main())
