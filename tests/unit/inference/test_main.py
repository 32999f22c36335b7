"""The command line's shell."""

import pytest

from inference.__main__ import main


@pytest.mark.parametrize("command", ["train", "precision", "release list", "release stage", "release promote"])
def test_help_says_that_the_environment_names_the_model(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    assert "model name (default: SOLARIS_MODEL, else main)" in " ".join(capsys.readouterr().out.split())
