"""The compose file and the Dockerfile as values, for the tests that hold them to their rules."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = ROOT / "docker" / "Dockerfile"

Service = dict[str, Any]  # Any: YAML; the tests look at what they need


def compose_file() -> dict[str, Any]:
    """The whole file, anchors resolved, variables as they stand."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def services() -> dict[str, Service]:
    """Every service of every profile."""
    found: dict[str, Service] = compose_file()["services"]
    return found


def own_services() -> dict[str, Service]:
    """The services that run this repository's image."""
    return {name: service for name, service in services().items() if "build" in service}


def is_one_shot(service: Service) -> bool:
    """Runs to its end and stays ended."""
    return bool(service.get("restart") == "no")


def with_defaults(text: str) -> str:
    """`${NAME:-value}` replaced by `value`, as with an empty environment."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def environment(service: Service) -> dict[str, str]:
    """The variables that the container gets."""
    return {name: with_defaults(str(value)) for name, value in service.get("environment", {}).items()}


def copied_from_context() -> list[str]:
    """The paths that the Dockerfile copies from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]
