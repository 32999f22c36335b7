"""A GPU that computes nothing: PyTorch propagates shapes and devices through the code that would run on a real one.

What a run on a device does wrong on the host is found without a device: reading a result back, mixing devices,
shapes that do not agree, a grid that cannot be launched. What the kernels compute is the interpreter's to test.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction

from kernels.backend import HOPPER, Backend, forced

CUDA = torch.device("cuda")
LARGEST_GRID = (2**31 - 1, 65_535, 65_535)


@dataclass(frozen=True, slots=True)
class Launch:
    """A kernel as it was called: its arguments by name, and what else the call says (`num_warps`)."""

    kernel: Any
    given: Mapping[str, Any]
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        name: str = self.kernel.fn.__name__
        return name


@contextmanager
def fake_gpu() -> Iterator[list[Launch]]:
    """Tensors made inside are on a fake GPU if they say so, and launches of Triton's kernels are kept, not run.

    Raises AssertionError for an operation that leaves the GPU, and what PyTorch raises for one that needs a value.
    """
    launched: list[Launch] = []

    def launch(kernel: Any, *args: Any, grid: tuple[int, ...], warmup: bool, **kwargs: Any) -> None:
        given = dict(zip(kernel.arg_names, args, strict=False))
        given |= {name: kwargs.pop(name) for name in kernel.arg_names if name in kwargs}
        one = Launch(kernel, given, kwargs)
        tensors = {name: x for name, x in given.items() if isinstance(x, torch.Tensor)}
        assert all(x.is_cuda for x in tensors.values()), f"{one.name} is given {tensors}"
        assert all(0 <= size <= most for size, most in zip(grid, LARGEST_GRID, strict=False)), f"{one.name} on {grid}"
        launched.append(one)

    with (
        forced(Backend.AUTO),
        patch.object(torch.cuda, "get_device_capability", lambda _device: HOPPER),
        patch.object(JITFunction, "run", launch),
        patch.object(InterpretedFunction, "run", launch),
        FakeTensorMode(),
        _OneDevice(),  # type: ignore[no-untyped-call]
    ):
        yield launched


def put_on_fake_gpu(thing: nn.Module | object) -> None:
    """Replace every tensor of a module, or in the fields of an object, by a fake one without values."""
    if isinstance(thing, nn.Module):
        for module in thing.modules():
            for held in (module._parameters, module._buffers):
                held.update({name: _fake(tensor) for name, tensor in held.items() if tensor is not None})
        return
    for name, value in vars(thing).items():
        if isinstance(value, torch.Tensor):
            setattr(thing, name, _fake(value))
        elif isinstance(value, Mapping) and all(isinstance(one, torch.Tensor) for one in value.values()):
            setattr(thing, name, {key: _fake(one) for key, one in value.items()})


def _fake(tensor: torch.Tensor) -> Any:
    fake = torch.empty(tensor.shape, dtype=tensor.dtype, device=CUDA)
    return nn.Parameter(fake, requires_grad=False) if isinstance(tensor, nn.Parameter) else fake


class _OneDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """No result of tensors on the GPU lies elsewhere: a copy to the host waits, and a capture forbids it."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        if any(x.is_cuda for x in given):
            left = [str(x.device) for x in tree_leaves(out) if isinstance(x, torch.Tensor) and not x.is_cuda]
            assert not left, f"{func} of tensors on the GPU gives one on {left[0]}"
        return out
