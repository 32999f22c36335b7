"""The library's attention over packed requests, where this version of torch has it."""

import importlib.util
import inspect
from functools import cache
from typing import Any

import torch


@cache
def has_varlen(default_scale: bool) -> bool:
    """Whether `torch.nn.attention.varlen` is there (2.10 and later), and takes a scale if one is asked for."""
    if importlib.util.find_spec("torch.nn.attention.varlen") is None:
        return False
    from torch.nn.attention.varlen import varlen_attn

    return default_scale or "scale" in inspect.signature(varlen_attn).parameters


def varlen_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    user_offsets: torch.Tensor,
    kv_offsets: torch.Tensor | None,
    scale: float | None,
    max_candidates: int,
) -> torch.Tensor:
    """`op.target_attention` for plain softmax on a GPU."""
    from torch.nn.attention.varlen import varlen_attn

    b, longest = user_offsets.shape[0] - 1, k.shape[0]  # a bound is enough: the kernel reads the lengths themselves
    if kv_offsets is None:
        longest //= b
        kv_offsets = torch.arange(b + 1, dtype=torch.int32, device=k.device) * longest
    options: dict[str, Any] = {} if scale is None else {"scale": scale}  # Any: by its type it could be another option
    out = varlen_attn(q, k, v, user_offsets, kv_offsets, max_candidates, longest, **options)
    assert isinstance(out, torch.Tensor)
    return out
