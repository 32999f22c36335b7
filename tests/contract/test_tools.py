"""`python -m tests.tools` fails on bad files, says what is missing, and lets nothing pass in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tools


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_a_missing_tool_is_named_and_is_an_error_in_ci(ci: str, status: int, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "tests.tools", "rules"],
        env={**os.environ, "PATH": str(tmp_path), "CI": ci},
        cwd=tools.ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert answer.returncode == status
    assert "promtool" in answer.stdout
    assert "`make tools`" in answer.stdout


@pytest.mark.skipif(tools.find_promtool() is None, reason="promtool is not installed; `make tools` gets it")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("prometheus.yml", "scrape_interval:", "scrape_intervall:"),
        ("alerts.yml", "time() - ", "time( - "),
        ("alerts.yml", 'verdict="slow"', 'verdict="ok"'),
    ],
    ids=["setting", "syntax", "behaviour"],
)
def test_a_broken_rule_file_fails(
    file: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tools.ROOT / tools.PROMETHEUS, tmp_path / tools.PROMETHEUS)
    path = tmp_path / tools.PROMETHEUS / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    monkeypatch.setattr(tools, "ROOT", tmp_path)
    assert tools.run_check("rules") == 1
    assert "FAILED" in capsys.readouterr().err


@pytest.mark.skipif(tools.find_compose() is None, reason="Docker Compose v2 is missing; `make tools` builds it")
def test_a_broken_compose_file_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (tools.ROOT / tools.COMPOSE_FILE).read_text()
    (tmp_path / tools.COMPOSE_FILE).write_text(text.replace("read_only: true", "readonly: true"))
    monkeypatch.setattr(tools, "ROOT", tmp_path)
    assert tools.run_check("compose") == 1
    assert "readonly" in capsys.readouterr().err
