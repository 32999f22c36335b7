"""The command line's shell: help without the weight, wrong calls by name."""

import subprocess
import sys

import pytest

from streams.__main__ import COMMANDS, main

WRITTEN = ["topics", "produce", "tail", "replay", "lag"]


def test_help_names_every_command_and_imports_no_client() -> None:
    code = (
        "import sys\nfrom streams.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'confluent_kafka', 'faust', 'torch', 'starlette', 'msgspec'} & set(sys.modules)\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    for name, line in COMMANDS.items():
        assert name in answer.stdout
        assert line in answer.stdout


@pytest.mark.parametrize("command", WRITTEN)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required"),
        (["nothing"], "invalid choice"),
        (["tail"], "TOPIC"),
        (["tail", "t", "--limit", "0"], "at least 1"),
        (["replay"], "--movietweetings"),
        (["replay", "--movietweetings", "x", "--speed-up", "0"], "above 0"),
        (["produce", "activity", "--user", "7"], "--item"),
        (["produce", "activity", "--user", "7", "--item", "1", "--kind", "rating", "--value", "nan"], "finite"),
    ],
)
def test_a_wrong_call_is_refused_with_status_2(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["produce"], "give one of activity"),
        (["produce", "--file", "-"], "go together"),
        (["produce", "--file", "/no/such/file", "--topic", "reco.user.activity.v1"], "No such file"),
        (["produce", "activity", "--user", "", "--item", "1", "--kind", "rating"], "`user_id`"),
        (["produce", "activity", "--user", "7", "--item", "1", "--kind", "rating", "--value", "1e10"], "`value`"),
        (["produce", "activity", "--user", "7", "--item", "1", "--kind", "click", "--position", "-1"], "`position`"),
        (["produce", "activity", "--user", "7", "--item", "1", "--kind", "x", "--context", "a"], "NAME=VALUE"),
        (["produce", "activity", "--user", "7", "--item", "1", "--kind", "x", "--event-time-ms", "9" * 15], "future"),
        (["produce", "item", "--item", "i" * 300, "--feature", "a=1"], "id-too-long"),
        (["produce", "item", "--item", "", "--delete"], "item_id is empty"),
        (["produce", "item", "--item", "1", "--delete", "--feature", "a=1"], "exclude"),
        (["replay", "--movietweetings", "/no/such/folder"], "No such file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLARIS_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert main(words) in (1, 2)
    assert complaint in capsys.readouterr().err
