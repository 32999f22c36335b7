"""Which form of an op runs: its Triton kernel or its plain PyTorch definition."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import torch

VARIABLE = "SOLARIS_KERNELS"
HOPPER = (9, 0)  # the kernels are compiled, checked and tuned for it


class Backend(StrEnum):
    """The values of SOLARIS_KERNELS."""

    AUTO = "auto"  # Triton for inference on a GPU that it was tuned for, else PyTorch
    TRITON = "triton"  # on any GPU, and on a CPU with TRITON_INTERPRET=1; to try another GPU, and for tests
    REFERENCE = "reference"


_chosen: Backend | None = None  # read once: an op is called a dozen times in a request


def chosen_backend() -> Backend:
    """What the environment asked for when this was first called; raises ValueError on any other word."""
    global _chosen
    if _chosen is None:
        _chosen = _from_environment()
    return _chosen


def check_backend() -> None:
    """Raise ValueError where an op would, and on a name that is nearly this one.

    An op refuses a word that is none, and Triton where there is no GPU to run it.
    """
    if unknown := [name for name in sorted(os.environ) if name.startswith(VARIABLE[:-1]) and name != VARIABLE]:
        raise ValueError(f"{unknown[0]} is not a setting; known is {VARIABLE}")
    if chosen_backend() is Backend.TRITON and not torch.cuda.is_available():
        raise ValueError(f"{VARIABLE} is 'triton', and PyTorch sees no GPU here; 'auto' takes one where there is one")


@contextmanager
def forced(backend: Backend) -> Iterator[None]:
    """Another one while the block runs, in every thread: for tests and benchmarks."""
    global _chosen
    before, _chosen = _chosen, backend
    try:
        yield
    finally:
        _chosen = before


def _from_environment() -> Backend:
    word = os.environ.get(VARIABLE, Backend.AUTO)
    try:
        return Backend(word)
    except ValueError:
        allowed = ", ".join(Backend)
        raise ValueError(f"{VARIABLE} is {word!r}; allowed are {allowed}") from None


def use_triton(*tensors: torch.Tensor | None) -> bool:
    """Whether an op over these tensors runs its Triton form. Gradients and float64 always take the PyTorch form."""
    backend = chosen_backend()
    given = [tensor for tensor in tensors if tensor is not None]
    if backend is Backend.REFERENCE or (backend is Backend.AUTO and not given[0].is_cuda):
        return False
    if any(tensor.dtype is torch.float64 or (tensor.requires_grad and torch.is_grad_enabled()) for tensor in given):
        return False
    return backend is Backend.TRITON or torch.cuda.get_device_capability(given[0].device) >= HOPPER
