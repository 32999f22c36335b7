"""The image holds what the processes need and nothing else, and every command of the compose file exists in it."""

import ast
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.contract.compose import DOCKERFILE, ROOT, copied_from_context, own_services

PACKAGES = ["runtime", "cache", "kernels", "inference", "streams"]
COMMANDS = {name: service["command"] for name, service in own_services().items()}
AGENTS = sorted({command[command.index("-A") + 1] for command in COMMANDS.values() if "-A" in command})
# Loading an agent takes seconds: one stands for all with Faust's command line, the others are imported together.
UNIQUE_COMMANDS = sorted({tuple(c) for c in COMMANDS.values() if not set(AGENTS[1:]) & set(c)})
START_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the Dockerfile copies, as /app in the image."""
    folder = tmp_path_factory.mktemp("image")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "build", "*.egg-info")
    for source in copied_from_context():
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, folder / source, ignore=ignored)
        else:
            (folder / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / source)
    return folder


def run_in(image: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SOLARIS_")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=image,
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("command", UNIQUE_COMMANDS, ids=" ".join)
def test_every_command_starts_from_the_images_files_and_knows_its_flags(command: tuple[str, ...], image: Path) -> None:
    python, *arguments = command
    assert python == "python"
    words = [word for word in arguments if not word.startswith("--")]
    flags = [word for word in arguments if word.startswith("--")]
    answer = run_in(image, *words, "--help")
    assert answer.returncode == 0, answer.stderr
    for flag in flags:
        assert re.search(rf"{flag}\b", answer.stdout), f"{' '.join(words)} has no {flag}"


def test_every_agent_is_an_app_for_the_same_command_line(image: Path) -> None:
    assert len(AGENTS) == 4
    code = ["import sys, importlib, faust", "sys.path.insert(0, '.')"]
    code += [f"assert isinstance(importlib.import_module({name!r}).app, faust.App), {name!r}" for name in AGENTS]
    answer = run_in(image, "-c", "\n".join(code))
    assert answer.returncode == 0, answer.stderr
    for command in COMMANDS.values():
        if "-A" in command:
            assert command == ["python", "-m", "faust", "-A", command[4], "worker"]


def test_the_image_holds_every_package_and_no_others() -> None:
    copied = [source for source in copied_from_context() if (ROOT / source / "__init__.py").exists()]
    assert copied == PACKAGES


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert [rule[1:] for rule in rules if rule.startswith("!")] == copied_from_context()


def test_the_image_runs_as_nobody_in_particular() -> None:
    users = re.findall(r"^USER (.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert users[0] == users[-1] == "10001:10001"


def test_the_image_starts_from_one_pinned_python() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    outside = [base for base in bases if ":" in base]
    assert len(outside) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", outside[0])


def locked(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (ROOT / path).read_text(), re.MULTILINE))


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_image_gets_the_versions_that_the_tests_ran_on() -> None:
    runtime, everything = locked("requirements-runtime.lock"), locked("requirements.lock")
    assert runtime.items() <= everything.items()
    text = (ROOT / "requirements-runtime.lock").read_text()
    assert len(re.findall(r"^[a-z0-9][a-z0-9._-]*==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(runtime)


def test_the_image_gets_every_dependency_and_no_tool() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {normalised(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}  # type: ignore[index]

    runtime = set(locked("requirements-runtime.lock"))
    assert names(project["dependencies"]) <= runtime
    extras = project["optional-dependencies"]
    assert not (names(extras["local"]) | names(extras["dev"]) - {"setuptools"}) & runtime  # torch needs setuptools


def test_no_package_imports_what_the_image_does_not_have() -> None:
    distributions = packages_distributions()
    available = set(locked("requirements-runtime.lock"))
    foreign = set()
    for path in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for top in imported_packages(path):
            if top in sys.stdlib_module_names or top in PACKAGES:
                continue
            if not available & {normalised(name) for name in distributions.get(top, [])}:
                foreign.add(f"{path.relative_to(ROOT)}: {top}")
    assert not foreign


def imported_packages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()
        self.wfile.write(b"redis: no answer")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def http_address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_health_check_passes_what_answers_200(image: Path, http_address: str) -> None:
    answer = run_in(image, "docker/healthcheck.py", f"{http_address}/readyz")
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_health_check_says_why_it_fails(image: Path, http_address: str) -> None:
    answer = run_in(image, "docker/healthcheck.py", f"{http_address}/readyz", f"{http_address}/paused")
    assert answer.returncode == 1
    assert "503 redis: no answer" in answer.stderr


def test_the_health_check_fails_where_nothing_listens(image: Path) -> None:
    answer = run_in(image, "docker/healthcheck.py", "http://127.0.0.1:9/readyz")
    assert answer.returncode == 1
    assert "ConnectionRefusedError" in answer.stderr
