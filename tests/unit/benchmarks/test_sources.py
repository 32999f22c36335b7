"""A digest stands for all that a figure depends on and for nothing else, and a commit says where to read it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.kernels.closure import closure
from benchmarks.kernels.sources import GATE, ROOT, sources, sources_commit, sources_digest

INI = "[pytest]\ntestpaths =\n    tests/unit/kernels\naddopts = -q --ignore=tests/unit/kernels/test_slow.py\n"
FILES = {
    GATE: INI,
    "benchmarks/kernels/grid.py": "from kernels import op\n",
    "benchmarks/kernels/report.py": "",
    "kernels/op.py": "def use():\n    import kernels.form.kernel\n",
    "kernels/form/__init__.py": "",
    "kernels/form/kernel.py": "",
    "inference/serving.py": "",
    "tests/unit/conftest.py": "def fixture():\n    from inference import serving\n",
    "tests/unit/kernels/test_op.py": "",
    "tests/unit/kernels/test_slow.py": "",
}
NOT_MEASURED = {"benchmarks/kernels/report.py", "inference/serving.py", "tests/unit/kernels/test_slow.py"}


@pytest.fixture(autouse=True)
def nothing_asked_yet() -> Iterator[None]:
    """As in a process that begins; and none of the others is told what was found here."""
    _forget()
    yield
    _forget()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(root: Path) -> str:
    _forget()
    return sources_digest(root)


def commit(root: Path) -> str:
    _forget()
    return sources_commit(root)


def git(root: Path, *words: str) -> str:
    config = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(("git", *config, *words), cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def test_the_sources_are_what_is_measured_the_device_tests_and_what_they_import(root: Path) -> None:
    assert {str(path.relative_to(root)) for path in sources(root)} == FILES.keys() - NOT_MEASURED


@pytest.mark.parametrize("name", FILES)
def test_a_change_of_a_source_and_of_nothing_else_is_another_digest(name: str, root: Path) -> None:
    before = digest(root)
    with (root / name).open("a") as file:
        file.write("# changed\n")
    assert (digest(root) == before) == (name in NOT_MEASURED)


def test_a_source_of_another_name_is_another_digest(root: Path) -> None:
    before = digest(root)
    file = root / "tests/unit/kernels/test_op.py"
    file.rename(file.with_name("test_another.py"))
    assert digest(root) != before


def test_nothing_that_serves_or_reports_alone_is_a_source() -> None:
    found = {str(path.relative_to(ROOT)) for path in sources()}
    assert {"kernels/backend.py", "inference/forward/forward.py", "tests/unit/kernels/conftest.py"} <= found
    others = ("inference/serving/", "inference/training/", "streams/", "local/", "benchmarks/kernels/report.py")
    assert [name for name in sorted(found) if name.startswith(others)] == []


def test_every_file_that_the_grid_loads_is_a_source() -> None:
    """What is read from the text holds in a process that imports it."""
    program = (
        "import sys; from benchmarks.kernels import grid, registry; registry.op_names(); "
        "print(*(one.__file__ for one in list(sys.modules.values()) if getattr(one, '__file__', None)), sep='\\n')"
    )
    done = subprocess.run((sys.executable, "-c", program), cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {path for path in map(Path, done.stdout.splitlines()) if path.is_relative_to(ROOT)}
    mine = {path for path in loaded if ".venv" not in path.parts}
    assert mine
    assert mine <= set(sources())


def test_an_import_in_a_function_is_followed_and_none_is_run(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    from b import c\nraise SystemExit\n")
    (tmp_path / "b.py").write_text("import torch, nowhere.at_all\n")
    assert closure([tmp_path / "a.py"], tmp_path) == {tmp_path / "a.py", tmp_path / "b.py"}


def test_the_commit_says_whether_the_sources_differ_from_it(root: Path) -> None:
    assert commit(root) == ""  # no repository
    git(root, "init", "-q")
    assert commit(root) == ""  # nor a commit
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    head = git(root, "rev-parse", "--short", "HEAD")
    assert commit(root) == head
    (root / "benchmarks/kernels/report.py").write_text("x = 1\n")
    assert commit(root) == head  # no source
    (root / "kernels/op.py").write_text("")
    assert commit(root) == f"{head}+"
    git(root, "commit", "-qam", "other")
    (root / "tests/unit/kernels/test_new.py").write_text("")
    assert commit(root) == f"{git(root, 'rev-parse', '--short', 'HEAD')}+"


def test_sources_within_another_repository_are_of_no_commit_of_it(root: Path) -> None:
    inner = root / "inner"
    (inner / GATE).parent.mkdir(parents=True)
    (inner / GATE).write_text(INI)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    assert commit(inner) == ""


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit(ROOT) == ""


def _forget() -> None:
    for cached in (sources, sources_digest, sources_commit):
        cached.cache_clear()
