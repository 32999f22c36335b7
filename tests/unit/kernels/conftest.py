"""Kernels under test: in Triton's interpreter on a machine without a GPU, else on the GPU itself.

The folder runs with torch, Triton, numpy and pytest alone (`make test-gpu`), so nothing here imports more.
"""

from collections.abc import Iterator

import pytest
import torch

from kernels.backend import Backend, forced


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Where the kernels run here."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def _triton_everywhere() -> Iterator[None]:
    """The ops take their Triton form, also on the CPU."""
    with forced(Backend.TRITON):
        yield


@pytest.fixture
def backend(request: pytest.FixtureRequest, _triton_everywhere: None) -> Iterator[Backend]:
    """The ops take the form that the test is given, by its name."""
    with forced(Backend(request.param)):
        yield Backend(request.param)


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
