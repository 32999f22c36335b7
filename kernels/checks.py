"""What an op asks of its tensors, said to whoever calls it: the name, what was given, what is allowed."""

from collections.abc import Sequence

import torch

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)  # float64 by the definition alone: for checks


def check_tensor(
    name: str,
    tensor: torch.Tensor,
    shape: Sequence[int],
    dtypes: Sequence[torch.dtype],
    device: torch.device,
    *,
    strided: bool = False,
) -> None:
    """Raise ValueError unless `tensor` has this shape (-1: any size), one of these dtypes and this device, and its
    last dimension is contiguous: on a CPU as on a GPU, so that one does not find what the other took.

    `strided` takes any strides; an op that does so says it. Shapes, dtypes, devices and strides are known without
    reading the tensor: checking them never waits for a GPU.
    """
    wrong = tensor.shape != shape  # mostly equal, and then nothing more is compared: this runs in every request
    if wrong and len(tensor.shape) == len(shape):
        wrong = any(w not in (-1, g) for g, w in zip(tensor.shape, shape, strict=True))
    if wrong:
        raise ValueError(f"{name} is {list(tensor.shape)}; expected {['any' if n < 0 else n for n in shape]}")
    if tensor.dtype not in dtypes:
        allowed = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise ValueError(f"{name} is {str(tensor.dtype).removeprefix('torch.')}; allowed is {allowed}")
    if tensor.device != device:
        raise ValueError(f"{name} is on {tensor.device}; the other tensors are on {device}")
    if not strided and not contiguous_rows(tensor):
        strides = list(tensor.stride())
        raise ValueError(f"{name} has strides {strides}; allowed is a contiguous last dimension: call .contiguous()")


def contiguous_rows(*tensors: torch.Tensor | None) -> bool:
    """Whether neighbours in the last dimension are neighbours in memory, in every tensor that is there."""
    return all(t is None or t.is_contiguous() or t.stride(-1) == 1 or t.shape[-1] <= 1 for t in tensors)


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(allowed)}")
