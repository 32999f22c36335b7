"""All inputs of a bucket in one block of memory: filled on the host, copied to the device in one transfer.

A graph replays over fixed addresses, so the device's block and its views stay the same for the life of a bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod

import torch

from inference.forward.buckets import Bucket
from inference.protocol import RankInputs

ALIGNMENT = 256  # bytes: every field begins where the widest load may begin


@dataclass(frozen=True, slots=True)
class InputWidths:
    """What a release fixes of `RankInputs`: T tokens, and the widths D, P and C."""

    user_tokens: int
    item_width: int
    pair_width: int
    context_width: int


Layout = Mapping[str, tuple[tuple[int, ...], torch.dtype]]


def layout(bucket: Bucket, widths: InputWidths) -> Layout:
    """Shape and dtype of every field of `RankInputs` in a bucket."""
    n, b = bucket.candidates, bucket.requests
    f32, i32 = torch.float32, torch.int32
    return {
        "user": ((b, widths.user_tokens, widths.item_width), f32),
        "user_mask": ((b, widths.user_tokens), torch.bool),
        "context": ((b, widths.context_width), f32),
        "cand": ((n, widths.item_width), f32),
        "cand_mask": ((n,), torch.bool),
        "pair": ((n, widths.pair_width), f32),
        "tier": ((n,), i32),
        "age_s": ((n,), f32),
        "cand_to_user": ((n,), i32),
        "user_offsets": ((b + 1,), i32),
    }


class Arena:
    """The inputs of one bucket, on the host and on `device`."""

    def __init__(self, bucket: Bucket, widths: InputWidths, device: torch.device) -> None:
        self.bucket = bucket
        shapes = layout(bucket, widths)
        assert list(shapes) == [field.name for field in fields(RankInputs)], "RankInputs has other fields"
        size = sum(_padded(prod(shape) * dtype.itemsize) for shape, dtype in shapes.values())
        self._host_block = torch.zeros(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self._device_block = torch.zeros(size, dtype=torch.uint8, device=device)
        self._host = _views(self._host_block, shapes)
        self.inputs = _views(self._device_block, shapes)  # what the forward pass reads; its addresses never change

    def fill(self, inputs: RankInputs) -> None:
        """Write a batch into the host's block. Rows beyond it keep what they held: nothing reads their results.

        Candidates that only fill up belong to the bucket's last request, so the index stays non-decreasing and the
        offsets agree with it; a candidate sees no other, so they change nothing.
        """
        n, b, bucket = inputs.num_candidates, inputs.num_requests, self.bucket
        if n > bucket.candidates or b > bucket.requests:
            raise ValueError(f"{n} candidates of {b} requests do not fit into {bucket}")
        for name in ("user", "user_mask", "context"):
            getattr(self._host, name)[:b].copy_(getattr(inputs, name))
        for name in ("cand", "cand_mask", "pair", "tier", "age_s"):
            getattr(self._host, name)[:n].copy_(getattr(inputs, name))
        self._host.cand_to_user[:n].copy_(inputs.cand_to_user)
        self._host.cand_to_user[n:] = bucket.requests - 1
        self._host.user_offsets[: b + 1].copy_(inputs.user_offsets)
        self._host.user_offsets[b + 1 :] = n
        self._host.user_offsets[-1] = bucket.candidates

    def upload(self) -> None:
        """One copy to the device, in order with what follows on its stream."""
        self._device_block.copy_(self._host_block, non_blocking=True)


def _views(block: torch.Tensor, shapes: Layout) -> RankInputs:
    views, start = [], 0
    for shape, dtype in shapes.values():
        num_bytes = prod(shape) * dtype.itemsize
        views.append(block[start : start + num_bytes].view(dtype).view(shape))
        start += _padded(num_bytes)
    return RankInputs(*views)


def _padded(num_bytes: int) -> int:
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT
