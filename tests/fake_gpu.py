"""A GPU that computes nothing: PyTorch propagates shapes and devices through the code that would run on a real one.

What a run on a device does wrong on the host is found without a device: reading a result back, mixing devices,
shapes that do not agree, a grid that cannot be launched. What the kernels compute is the interpreter's to test.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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


@contextmanager
def fake_gpu() -> Iterator[Counter[str]]:
    """Tensors made inside are on a fake GPU if they say so, and Triton's kernels are counted, by name, not run.

    Raises AssertionError for an operation that leaves the GPU, and what PyTorch raises for one that needs a value.
    """
    launched: Counter[str] = Counter()

    def launch(kernel: Any, *args: object, grid: tuple[int, ...], warmup: bool, **kwargs: object) -> None:
        tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, torch.Tensor)]
        name = kernel.fn.__name__
        assert all(x.is_cuda for x in tensors), f"{name} is given {[str(x.device) for x in tensors]}"
        assert all(0 <= size <= most for size, most in zip(grid, LARGEST_GRID, strict=False)), f"{name} on {grid}"
        launched[name] += 1

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
