"""All inputs of a bucket in one block of memory: filled on the host, copied to the device in one transfer.

Item and pair rows travel as the half floats that the store holds, and the device makes features of them: half the bytes
to copy, and no decoding on the host. A graph replays over fixed addresses, so the device's block and its views stay the
same for the life of a bucket; buckets of which one at a time is filled share a block.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from numpy.typing import NDArray

from cache.header import padded
from cache.packed import PackedRows
from inference.forward.buckets import Bucket
from inference.forward.inputs import PackedInputs
from inference.models.sizes import Sizes
from inference.protocol import RankInputs
from kernels.gather_dequant.op import gather_dequant
from kernels.gather_dequant.wire import WireFormat

ALIGNMENT = 256  # bytes: every field begins where the widest load may begin


@dataclass(frozen=True, slots=True)
class InputWidths:
    """What a release fixes of `RankInputs`: T tokens, and the widths D, P and C."""

    user_tokens: int
    item_width: int
    pair_width: int
    context_width: int

    @classmethod
    def of(cls, sizes: Sizes) -> "InputWidths":
        """Those of a model's sizes."""
        return cls(sizes.user_tokens, sizes.item_width, sizes.pair_width, sizes.context_width)


Layout = Mapping[str, tuple[tuple[int, ...], torch.dtype]]


def layout(bucket: Bucket, widths: InputWidths) -> Layout:
    """Shape and dtype of every field in a bucket."""
    n, b = bucket.candidates, bucket.requests
    f32, i32 = torch.float32, torch.int32
    return {
        "user": ((b, widths.user_tokens, widths.item_width), f32),
        "user_mask": ((b, widths.user_tokens), torch.bool),
        "context": ((b, widths.context_width), f32),
        "item_rows": ((n, padded(2 * widths.item_width)), torch.uint8),
        "item_slot": ((n,), i32),
        "pair_rows": ((n + b, padded(2 * widths.pair_width)), torch.uint8),  # and the aggregate of every request
        "pair_slot": ((n,), i32),
        "tier": ((n,), i32),
        "age_s": ((n,), f32),
        "cand_to_user": ((n,), i32),
        "user_offsets": ((b + 1,), i32),
    }


class Block:
    """Memory for the inputs of one bucket at a time, on the host, pinned, and on `device`."""

    def __init__(self, num_bytes: int, device: torch.device) -> None:
        self.host = torch.zeros(num_bytes, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self.device = torch.zeros(num_bytes, dtype=torch.uint8, device=device)

    @classmethod
    def for_any_of(cls, buckets: Iterable[Bucket], widths: InputWidths, device: torch.device) -> "Block":
        """Large enough for each of them."""
        return cls(max(_num_bytes(layout(bucket, widths)) for bucket in buckets), device)


class Arena:
    """The inputs of one bucket, on the host and on `device`."""

    def __init__(self, bucket: Bucket, widths: InputWidths, device: torch.device, block: Block | None = None) -> None:
        """In `block`, which may hold another bucket's inputs between two passes; without it in memory of its own."""
        self.bucket, self.device, self._widths = bucket, device, widths
        shapes = layout(bucket, widths)
        block, size = block or Block.for_any_of([bucket], widths, device), _num_bytes(shapes)
        self._host_block, self._device_block = block.host[:size], block.device[:size]
        self._host = {name: view.numpy() for name, view in _views(self._host_block, shapes).items()}
        self.device_views = _views(self._device_block, shapes)  # their addresses never change
        self._no_item = torch.zeros(1, widths.item_width, device=device)
        self._no_pair = torch.zeros(1, widths.pair_width, device=device)

    def fill(self, inputs: PackedInputs) -> None:
        """Write a batch into the host's block.

        ValueError if it is too large, if a field is of another length, or if a slot leads to no row.

        What fills up the bucket has no tokens, no item and no pair row, and of the other numbers what the memory held:
        nothing reads its results. Its candidates belong to the bucket's last request, so the index stays
        non-decreasing and the offsets agree with it; a candidate sees no other, so they change nothing.
        """
        n, b, bucket = inputs.num_candidates, inputs.num_requests, self.bucket
        if n > bucket.candidates or b > bucket.requests:
            raise ValueError(f"{n} candidates of {b} requests do not fit into {bucket}")
        for name in ("user", "user_mask", "context"):
            self._fill_some(name, getattr(inputs, name), b)
        for name in ("tier", "age_s", "cand_to_user"):
            self._fill_some(name, getattr(inputs, name), n)
        self._fill_some("user_offsets", inputs.user_offsets, b + 1)
        self._fill_rows("item", inputs.items, n)
        self._fill_rows("pair", inputs.pairs, n)
        self._host["user_mask"][b:] = False
        self._host["tier"][n:] = 0  # looked up: the memory may have held anything
        self._host["cand_to_user"][n:] = bucket.requests - 1
        self._host["user_offsets"][b + 1 :] = n
        self._host["user_offsets"][-1] = bucket.candidates

    def upload(self) -> None:
        """One copy to the device, in order with what follows on its stream."""
        self._device_block.copy_(self._host_block, non_blocking=True)

    def rank_inputs(self, dtype: torch.dtype) -> RankInputs:
        """What was uploaded, as the ranker reads it: on the device, its rows decoded to `dtype` by one kernel each."""
        views, widths = self.device_views, self._widths
        cand, cand_mask = _decoded(views["item_rows"], views["item_slot"], self._no_item, widths.item_width, dtype)
        pair, _ = _decoded(views["pair_rows"], views["pair_slot"], self._no_pair, widths.pair_width, dtype)
        return RankInputs(
            user=views["user"].to(dtype),
            user_mask=views["user_mask"],
            context=views["context"].to(dtype),
            cand=cand,
            cand_mask=cand_mask,
            pair=pair,
            tier=views["tier"],
            age_s=views["age_s"],  # float32 whatever `dtype`: their logarithm is taken first
            cand_to_user=views["cand_to_user"],
            user_offsets=views["user_offsets"],
        )

    def _fill_some(self, name: str, values: NDArray[Any], count: int) -> None:
        if len(values) != count:  # one would be copied to all
            raise ValueError(f"{name} has {len(values)} entries; the batch has {count}")
        self._host[name][:count] = values

    def _fill_rows(self, kind: str, rows: PackedRows, count: int) -> None:
        rows = rows.as_fp16()
        if len(rows.slot) != count:
            raise ValueError(f"{len(rows.slot)} candidates have {kind} rows or none; the batch has {count}")
        if len(rows.slot) and rows.slot.max() >= len(rows.staging):
            raise ValueError(f"a candidate has {kind} row {rows.slot.max()} of {len(rows.staging)}")
        staging, slot = self._host[f"{kind}_rows"], self._host[f"{kind}_slot"]
        staging[: len(rows.staging)] = rows.stored()
        slot[: len(rows.slot)] = rows.slot
        slot[len(rows.slot) :] = -1


def _decoded(
    rows: torch.Tensor, slot: torch.Tensor, none: torch.Tensor, width: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    values, hit = gather_dequant(rows, slot[:, None], none, WireFormat("fp16", width, values_at=0), dtype=dtype)
    return values[:, 0], hit[:, 0]


def _views(block: torch.Tensor, shapes: Layout) -> dict[str, torch.Tensor]:
    views, start = {}, 0
    for name, (shape, dtype) in shapes.items():
        num_bytes = prod(shape) * dtype.itemsize
        views[name] = block[start : start + num_bytes].view(dtype).view(shape)
        start += _aligned(num_bytes)
    return views


def _num_bytes(shapes: Layout) -> int:
    return sum(_aligned(prod(shape) * dtype.itemsize) for shape, dtype in shapes.values())


def _aligned(num_bytes: int) -> int:
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT
