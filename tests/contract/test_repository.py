"""What holds for the whole repository."""

import importlib
import re
import subprocess
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("streams", "inference", "kernels", "cache", "runtime", "local", "benchmarks")
LINE_BUDGET = 350  # a file of more lines has more than one noun
OVER_BUDGET: dict[str, int] = {}  # path -> lines it may have, with the reason beside it
# What a file must not name: folders of one machine, and hosts of package registries.
MACHINE_WORDS = re.compile(r"/work/|/root/|/home/\w|pypi\.org|repo1?\.maven|proxy\.golang|registry\.npmjs|deb\.debian")


def tracked(*patterns: str) -> list[Path]:
    """Files that git tracks, or would if they were added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_resolve_inside_the_repository(name: str) -> None:
    # Other distributions on the index use some of these import names.
    file = importlib.import_module(name).__file__
    assert file is not None
    assert Path(file).is_relative_to(ROOT)


def test_package_files_import_nothing() -> None:
    for path in tracked("*__init__.py"):
        assert not re.search(r"^\s*(import|from) ", path.read_text(), re.MULTILINE), f"{path} imports something"


def test_no_file_is_over_the_line_budget() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in tracked("*.py")}
    too_long = {name: count for name, count in lines.items() if count > OVER_BUDGET.get(name, LINE_BUDGET)}
    assert not too_long


def test_every_package_has_a_docstring() -> None:
    silent = [str(path) for path in tracked(*(f"{name}/*.py" for name in PACKAGES)) if not _has_docstring(path)]
    assert not silent


def test_no_file_names_a_machine_or_a_registry_host() -> None:
    own = Path(__file__)
    found = {
        str(path.relative_to(ROOT)): match.group()
        for path in tracked("*.py", "*.md", "*.toml", "*.yml", "*.yaml", "*.txt", "*.lock", "Makefile", ".ci/run")
        if path != own and (match := MACHINE_WORDS.search(path.read_text()))
    }
    assert not found


def test_every_make_target_is_listed_by_make_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:")).split()[1:]
    listed = re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)
    assert sorted(phony) == sorted(listed)


def test_make_bench_measures_as_the_figures_were() -> None:
    made = re.findall(r"^\t\$\(BIN\)/(python -m benchmarks .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    written = re.findall(r"^`(python -m benchmarks [^`]*)`, 20", (ROOT / "docs/figures.md").read_text(), re.MULTILINE)
    assert made == written
    assert made


def test_the_kernels_readme_links_every_page_of_an_op_and_every_op() -> None:
    table = [line for line in (ROOT / "kernels/README.md").read_text().splitlines() if line.startswith("| [`")]
    linked = {(ROOT / "kernels" / link).resolve() for line in table for link in re.findall(r"\]\(([^)]*)\)", line)}
    assert linked == set((ROOT / "docs/kernels").glob("*.md")) - {
        ROOT / "docs/kernels/figures.md", ROOT / "docs/kernels/forward.md",
    }  # fmt: skip
    named = {name for line in table for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named == {path.parent.name for path in (ROOT / "kernels").glob("*/op.py")}


def test_the_kernels_readme_says_which_ops_serve() -> None:
    serving = [path.read_text() for path in tracked("inference/*.py", "cache/*.py", "streams/*.py")]
    imported = {
        name for text in serving for name in re.findall(r"^\s*from kernels\.(\w+)\.\w+ import", text, re.MULTILINE)
    }
    table = [
        line.split("|") for line in (ROOT / "kernels/README.md").read_text().splitlines() if line.startswith("| [`")
    ]
    said = {name for cells in table if "not yet" not in cells[3][:9] for name in re.findall(r"`(\w+)`", cells[1])}
    assert said == imported


def _has_docstring(path: Path) -> bool:
    return path.read_text().lstrip().startswith(('"""', 'r"""', "# "))


def test_the_example_of_the_kernels_readme_runs_and_is_the_layer_it_says() -> None:
    code = (ROOT / "kernels/README.md").read_text().split("```python\n")[1].split("```")[0]
    found: dict[str, torch.Tensor] = {}
    exec(code, found)  # the repository's own
    both = torch.cat([found["x_request"][found["cand_to_user"].long()], found["x"]], dim=1)
    expected = torch.nn.functional.silu(both @ found["weight"].T + found["bias"])
    torch.testing.assert_close(found["y"], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/kernels/*.md")), ids=lambda page: page.stem)
def test_the_examples_of_an_op_run(page: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert examples or page.stem in ("broadcast_linear", "figures")  # that of broadcast_linear stands in the README
    for code in examples:
        exec(code, {})  # the repository's own, with assertions of their own
