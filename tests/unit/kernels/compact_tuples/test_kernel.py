"""What was packed comes out: lists, ids to the last bit, weights as half floats hold them."""

import numpy as np
import pytest
import torch

from kernels.compact_tuples import reference
from kernels.compact_tuples.kernel import unpack_tuples_triton
from kernels.compact_tuples.layout import TupleLayout, pack_tuples
from kernels.compact_tuples.op import unpack_tuples
from kernels.compact_tuples.roofline import CompactTuplesWork

LENGTHS = [[5], [0, 3, 0, 17, 1], [0, 0], [], [1] * 40]


def drawn(lengths: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    some = random.integers(-(2**63), 2**63 - 1, 9)
    ids = random.choice(some, sum(lengths))
    return np.array(lengths, np.int64), ids, random.normal(size=len(ids)).astype(np.float32)


@pytest.mark.parametrize("weighted", [True, False], ids=["weighted", "plain"])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_what_was_packed_comes_out(lengths: list[int], weighted: bool, device: torch.device) -> None:
    counts, ids, weights = drawn(lengths)
    packed, layout = pack_tuples(counts, ids, weights if weighted else None)
    buffer = torch.from_numpy(packed).to(device)
    for offsets, found, floats in (
        unpack_tuples_triton(buffer, layout, block=16),
        reference.unpack_tuples(buffer, layout),
        unpack_tuples(buffer, layout),
    ):
        assert offsets.tolist() == [0, *np.cumsum(counts).tolist()]
        assert found.tolist() == ids.tolist()
        assert (floats is not None) == weighted
        if floats is not None:
            assert floats.tolist() == weights.astype(np.float16).tolist()


@pytest.mark.parametrize(("distinct", "code_bytes"), [(1 << 16, 2), ((1 << 16) + 1, 4)])
def test_codes_are_as_short_as_the_dictionary_allows(distinct: int, code_bytes: int, device: torch.device) -> None:
    ids = np.arange(distinct, dtype=np.int64)[::-1].copy() * 3
    packed, layout = pack_tuples(np.array([distinct]), ids)
    assert layout.code_bytes == code_bytes
    buffer = torch.from_numpy(packed).to(device)
    assert torch.equal(unpack_tuples_triton(buffer, layout, block=1 << 14)[1].cpu(), torch.from_numpy(ids))
    assert torch.equal(reference.unpack_tuples(buffer, layout)[1].cpu(), torch.from_numpy(ids))


def test_the_parts_are_aligned_and_the_offsets_a_view(device: torch.device) -> None:
    packed, layout = pack_tuples(*drawn([3, 4]))
    assert all(part.start % 16 == 0 for part in layout.parts().values())
    buffer = torch.from_numpy(packed).to(device)
    assert unpack_tuples(buffer, layout)[0].data_ptr() == buffer.data_ptr()


def test_it_is_smaller_than_ids_and_weights_by_themselves() -> None:
    random = np.random.default_rng(1)
    ids = random.integers(-(2**63), 2**63 - 1, 500)[random.integers(0, 500, 10_000)]
    packed, _ = pack_tuples(np.full(1000, 10), ids, np.ones(10_000, np.float32))
    assert len(packed) < 0.5 * (10_000 * 12 + 4 * 1001)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    counts, ids, weights = drawn([3, 4])
    with pytest.raises(ValueError, match="lengths add up to 7, from 3; there are 6 ids"):
        pack_tuples(counts, ids[:6])
    with pytest.raises(ValueError, match="6 weights; there are 7 ids"):
        pack_tuples(counts, ids, weights[:6])
    with pytest.raises(ValueError, match="weights are not finite as half floats"):
        pack_tuples(counts, ids, np.full(7, 1e6, np.float32))
    packed, layout = pack_tuples(counts, ids)
    with pytest.raises(ValueError, match=r"buffer is \[16\]; expected"):
        unpack_tuples(torch.from_numpy(packed)[:16].to(device), layout)


def test_the_work_is_bytes_alone() -> None:
    work = CompactTuplesWork(TupleLayout(10, 100, 1000, True))
    assert (work.flops, work.bytes_moved) == (0, 800 + 2000 + 2000 + 12_000)
