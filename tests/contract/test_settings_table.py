"""Every variable that is read stands in docs/settings.md as the code has it, and the README names every prefix."""

import re

from tests.settings_table import FILE, PACKAGES, ROOT, SINGLE, TITLES, loaded_classes, render, rows_of

ROWS = [row for prefix, cls in loaded_classes().items() for row in rows_of(prefix, cls)]
NAMES = {row.name for row in ROWS} | {name for name, *_ in SINGLE}
OF_TESTS = {"SOLARIS_TEST_MOVIETWEETINGS"}
VARIABLE = re.compile(r"\bSOLARIS_[A-Z]+(?:_[A-Z0-9]+)*\b")


def test_the_file_is_what_the_code_makes_of_it() -> None:
    assert FILE.read_text() == render(), "run `python -m tests.settings_table --write`"


def test_every_prefix_that_is_loaded_has_its_place_on_the_page() -> None:
    assert set(loaded_classes()) == set(TITLES)


def test_every_setting_says_what_it_means() -> None:
    silent = [row.name for row in ROWS if not row.meaning]
    assert not silent, "a comment behind the field, on its line"


def test_no_variable_is_read_that_is_not_on_the_page() -> None:
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    read = {name for path in sources for name in VARIABLE.findall(path.read_text())}
    assert read - NAMES - set(TITLES) == set()


def test_the_documentation_names_only_variables_that_exist() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), ROOT / "docker-compose.yml"]
    named = {name for path in pages for name in VARIABLE.findall(path.read_text())}
    assert named - NAMES - set(TITLES) - OF_TESTS == set()


def test_the_readme_names_every_prefix_and_every_single_setting() -> None:
    readme = (ROOT / "README.md").read_text()
    assert not [name for name in (*TITLES, *(name for name, *_ in SINGLE)) if name not in readme]
