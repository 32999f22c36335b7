"""What an op asks of its tensors, said to whoever calls it: the name, what was given, what is allowed."""

from collections.abc import Sequence

import torch

# float64 takes the PyTorch form on every device: it is there to check against, and docstrings do not list it.
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def check_tensor(
    name: str,
    tensor: torch.Tensor,
    shape: Sequence[int],
    dtypes: Sequence[torch.dtype],
    device: torch.device | None,
    *,
    strided: bool = False,
) -> None:
    """Raise ValueError unless `tensor` has this shape (-1: any size), one of these dtypes and this device, and its
    last dimension is contiguous: on a CPU as on a GPU, so that one does not find what the other took. TypeError if it
    is no tensor.

    `device` None is any: of the first tensor, whose device the others share and nobody asks for before it is checked.
    `strided` takes any strides; an op that does so says it. Shapes, dtypes, devices and strides are known without
    reading the tensor: checking them never waits for a GPU.
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} is {_kind(tensor)}; a torch.Tensor is expected")
    wrong = tensor.shape != shape  # mostly equal, and then nothing more is compared: this runs in every request
    if wrong and len(tensor.shape) == len(shape):
        wrong = any(w not in (-1, g) for g, w in zip(tensor.shape, shape, strict=True))
    if wrong:
        raise ValueError(f"{name} is {list(tensor.shape)}; expected {['any' if n < 0 else n for n in shape]}")
    if tensor.dtype not in dtypes:
        allowed = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise ValueError(f"{name} is {str(tensor.dtype).removeprefix('torch.')}; allowed is {allowed}")
    if device is not None and tensor.device != device:
        raise ValueError(f"{name} is on {tensor.device}; the other tensors are on {device}")
    if not strided and not contiguous_rows(tensor):
        strides = list(tensor.stride())
        raise ValueError(f"{name} has strides {strides}; allowed is a contiguous last dimension: call .contiguous()")


def contiguous_rows(*tensors: torch.Tensor | None) -> bool:
    """Whether neighbours in the last dimension are neighbours in memory, in every tensor that is there."""
    return all(t is None or t.is_contiguous() or t.stride(-1) == 1 or t.shape[-1] <= 1 for t in tensors)


def check_choice(name: str, value: str | int, allowed: Sequence[str | int]) -> None:
    """Raise ValueError unless `value` is one of `allowed`."""
    if value not in allowed or isinstance(value, float):  # 64.0 is equal to 64, and no tile
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(map(str, allowed))}")


def check_integer(name: str, value: int, least: int, most: int | None = None) -> None:
    """Raise ValueError unless `value` is from `least` to `most` (None: without end), TypeError if it is no int.

    For sizes that the host says: a 2.0 fails in PyTorch or in Triton, by words of theirs, or in one of them alone.
    """
    if not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}; an int is expected")
    if value < least or (most is not None and value > most):
        allowed = f"allowed is {least} or more" if most is None else f"allowed are {least} to {most}"
        raise ValueError(f"{name} is {value}; {allowed}")


def _kind(value: object) -> str:
    """What it is, for a message: "None", "a list", "a numpy.ndarray"."""
    if value is None:
        return "None"
    kind = type(value)
    return f"a {kind.__qualname__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'}"
