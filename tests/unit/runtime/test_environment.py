from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from runtime.environment import SettingsError, load


@dataclass(frozen=True)
class Example:
    port: int = 8000
    ratio: float = 0.5
    loud: bool = False
    folder: Path = Path("var")
    mode: Literal["auto", "triton"] = "auto"
    limit_ms: int | None = None

    def __post_init__(self) -> None:
        if self.port > 65535:
            raise ValueError(f"port is {self.port}; at most 65535 is allowed")


def test_absent_variables_leave_the_defaults() -> None:
    assert load(Example, "SOLARIS_X", {"PATH": "/bin"}) == Example()


def test_every_type_is_parsed() -> None:
    environ = {
        "SOLARIS_X_PORT": "9000",
        "SOLARIS_X_RATIO": "0.25",
        "SOLARIS_X_LOUD": "yes",
        "SOLARIS_X_FOLDER": "data",
        "SOLARIS_X_MODE": "triton",
        "SOLARIS_X_LIMIT_MS": "5",
    }
    assert load(Example, "SOLARIS_X", environ) == Example(9000, 0.25, True, Path("data"), "triton", 5)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SOLARIS_X_PORT", "many", "whole number"),
        ("SOLARIS_X_RATIO", "half", "a number"),
        ("SOLARIS_X_LOUD", "maybe", "yes or no"),
        ("SOLARIS_X_MODE", "cuda", "auto, triton"),
        ("SOLARIS_X_PORT", "70000", "65535"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Example, "SOLARIS_X", {name: value})
    assert value in str(caught.value)
    assert allowed in str(caught.value)


def test_an_unknown_name_under_the_prefix_stops_the_process() -> None:
    with pytest.raises(SettingsError, match="SOLARIS_X_PROT is not a setting"):
        load(Example, "SOLARIS_X", {"SOLARIS_X_PROT": "1"})
