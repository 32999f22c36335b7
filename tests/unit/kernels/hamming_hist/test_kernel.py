"""Counts, exactly, against the definition bit by bit."""

import pytest
import torch

from kernels.hamming_hist import reference
from kernels.hamming_hist.kernel import Config, hamming_hist_triton
from kernels.hamming_hist.op import hamming_hist
from kernels.hamming_hist.roofline import HammingHistWork
from tests.unit.kernels.signatures import SPLITS, Signatures, signatures

TINY = Config(16, 16)


def naive(given: Signatures, bins: int) -> torch.Tensor:
    bits = given.a.shape[1] * 32
    counts = [torch.bincount(d * bins // (bits + 1), minlength=bins) for d in given.distances()]
    return torch.stack(counts).to(torch.int32) if counts else torch.zeros(0, bins, dtype=torch.int32)


@pytest.mark.parametrize("bins", [1, 5, 16])
@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize(("counts", "lengths"), SPLITS, ids=str)
def test_every_behaviour_counts_in_its_tier(
    counts: list[int], lengths: list[int], words: int, bins: int, device: torch.device
) -> None:
    given = signatures(counts, lengths, words, device)
    expected = naive(given, bins)
    assert torch.equal(hamming_hist_triton(*given.args(), bins, TINY).cpu(), expected)
    assert torch.equal(reference.hamming_hist(*given.args(), bins).cpu(), expected)


@pytest.mark.parametrize("splits", [2, 5])
def test_a_split_history_counts_the_same(splits: int, device: torch.device) -> None:
    given = signatures([3, 0, 18, 1], [7, 5, 0, 70], 2, device)
    assert torch.equal(hamming_hist_triton(*given.args(), 8, Config(16, 16, splits)).cpu(), naive(given, 8))


def test_the_shipped_tiles_agree(device: torch.device) -> None:
    given = signatures([40], [300], 2, device)
    assert torch.equal(hamming_hist(*given.args(), bins=16).cpu(), naive(given, 16))


def test_a_tier_holds_more_than_a_counter_of_eight_bits(device: torch.device) -> None:
    given = signatures([2], [600], 1, device)
    same = Signatures(given.a[:1].expand(2, 1), given.a[:1].expand(600, 1), given.cand_to_user, given.kv_offsets)
    opposite = Signatures(~same.a, same.b, given.cand_to_user, given.kv_offsets)
    config = Config(16, 128)
    for which, tier in ((same, 0), (opposite, 3)):
        a, b, index, offsets = which.args()
        counts = hamming_hist_triton(a.contiguous(), b.contiguous(), index, offsets, 4, config).cpu()
        assert counts[:, tier].tolist() == [600, 600]
        assert int(counts.sum()) == 1200


def test_the_order_of_the_behaviours_does_not_matter(device: torch.device) -> None:
    given = signatures([9], [50], 2, device)
    shuffled = given.b[torch.randperm(50, generator=torch.Generator().manual_seed(1)).to(device)]
    other = hamming_hist_triton(given.a, shuffled, given.cand_to_user, given.kv_offsets, 8, TINY)
    assert torch.equal(hamming_hist_triton(*given.args(), 8, TINY), other)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    given = signatures([4], [8], 2, device)
    with pytest.raises(ValueError, match="bins is 17; allowed are 1 to 16"):
        hamming_hist(*given.args(), bins=17)
    with pytest.raises(ValueError, match=r"b is \[8, 1\]"):
        hamming_hist(given.a, given.b[:, :1], given.cand_to_user, given.kv_offsets, bins=4)
    with pytest.raises(ValueError, match="kv_offsets is int64; allowed is int32"):
        hamming_hist(given.a, given.b, given.cand_to_user, given.kv_offsets.long(), bins=4)


def test_the_work_is_that_of_the_pairs() -> None:
    work = HammingHistWork(n=1000, t=10_000, b=1, pairs=10_000_000, bits=64, bins=16)
    assert (work.flops, work.bytes_moved) == (1_280_000_000, 88_000 + 4008 + 64_000)
