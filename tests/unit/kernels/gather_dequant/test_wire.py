"""Rows that the cache encodes decode to the same bits here as there, in every dtype."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from kernels.backend import Backend
from kernels.gather_dequant.op import gather_dequant
from kernels.gather_dequant.wire import WireFormat

pytest.importorskip("cache.row", reason="the kernels are tested here without the cache")
from cache.header import HEADER, HEADER_BYTES
from cache.row import RowDtype, RowKind, decode_rows, encode_rows
from runtime.ids import ModelVersion

RELEASE = ModelVersion("main", "20261121-093000-1a2b3c")
FIELDS = dict(HEADER.fields or {})
CENTRES = {RowDtype.INT8: 127.5, RowDtype.INT4: 7.5}


def wire_format(dtype: RowDtype, width: int) -> WireFormat:
    """The cache's rows, as their header says."""
    scale_at = None if dtype is RowDtype.FP16 else FIELDS["scale"][1]
    offset_at = FIELDS["offset"][1] if dtype in CENTRES else None
    return WireFormat(dtype.name.lower(), width, HEADER_BYTES, scale_at, offset_at, CENTRES.get(dtype, 0.0))


def awkward_values(n: int, width: int) -> np.ndarray:
    """Constant, tiny, huge, one-sided and ordinary rows."""
    values = np.random.default_rng(4).normal(size=(n, width)).astype(np.float32)
    values[0] = 3.25
    values[1] *= 1e-30
    values[2] *= 1e30
    values[3] = np.abs(values[3]) + 1e4
    values[4] = 0
    return values


@pytest.mark.parametrize("backend", ["triton", "reference"], indirect=True)
@pytest.mark.parametrize("width", [1, 31, 64])
@pytest.mark.parametrize("dtype", list(RowDtype), ids=lambda dtype: dtype.name)
def test_the_cache_and_the_kernel_read_the_same(
    dtype: RowDtype, width: int, backend: Backend, device: torch.device
) -> None:
    n = 12
    rows = encode_rows(RowKind.PAIR, RELEASE, awkward_values(n, width), rev=range(n), as_of_ms=range(n), dtype=dtype)
    decoded = decode_rows(rows, RowKind.PAIR, RELEASE, width, now_ms=0)
    assert decoded.present.all()
    staging = torch.frombuffer(bytearray(b"".join(rows)), dtype=torch.uint8).view(n, -1).to(device)
    slot = torch.arange(n, dtype=torch.int32, device=device).flip(0).view(-1, 1)
    slot[3] = -1
    default = torch.full((1, width), 0.5, device=device)
    values, hit = gather_dequant(staging, slot, default, wire_format(dtype, width))
    expected = torch.from_numpy(decoded.values.copy()).flip(0)
    expected[3] = 0.5
    assert torch.equal(values[:, 0].cpu(), expected)
    assert hit[:, 0].tolist() == [row != 3 for row in range(n)]


def test_the_fields_of_the_header_do_not_overlap() -> None:
    places = sorted((offset, dtype.itemsize) for dtype, offset in ((f[0], f[1]) for f in FIELDS.values()))
    assert all(first + size <= second for (first, size), (second, _) in pairwise(places))
    assert places[-1][0] + places[-1][1] == HEADER_BYTES
