"""Kernels under test: in Triton's interpreter on a machine without a GPU, else on the GPU itself.

The folder runs with torch, Triton, numpy and pytest alone (`make test-gpu`), so nothing here imports more.
"""

import os

import pytest
import torch

from kernels.backend import VARIABLE
from tests.interpreter import interpret_triton

if not torch.cuda.is_available():
    interpret_triton()


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Where the kernels run here."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def _triton_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ops take their Triton form, also on the CPU."""
    assert VARIABLE not in os.environ or os.environ[VARIABLE] == "triton", f"unset {VARIABLE}"
    monkeypatch.setenv(VARIABLE, "triton")


@pytest.fixture(autouse=True)
def _unwritten_is_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel does not write is NaN, or the largest integer: never zero by luck."""
    empty = torch.empty

    def poisoned(*args: object, **kwargs: object) -> torch.Tensor:
        tensor: torch.Tensor = empty(*args, **kwargs)  # type: ignore[call-overload]
        if tensor.dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
            tensor.view(torch.uint8).fill_(0x7F)
        elif tensor.is_floating_point():
            tensor.fill_(float("nan"))
        elif tensor.dtype is not torch.bool:
            tensor.fill_(torch.iinfo(tensor.dtype).max)
        return tensor

    monkeypatch.setattr(torch, "empty", poisoned)
