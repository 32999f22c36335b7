"""Places and distances, exactly, against a stable sort of all distances."""

import pytest
import torch

from kernels.hamming_topk import reference
from kernels.hamming_topk.kernel import Config, hamming_topk_triton
from kernels.hamming_topk.op import hamming_topk
from kernels.hamming_topk.roofline import HammingTopkWork
from tests.unit.kernels.signatures import SPLITS, Signatures, signatures

TINY = Config(16)

Chosen = tuple[list[list[int]], list[list[int]]]


def naive(given: Signatures, k: int) -> Chosen:
    ends, users = given.kv_offsets.tolist(), given.cand_to_user.tolist()
    index, distance = [], []
    for found, user in zip(given.distances(), users, strict=True):
        nearest = found.sort(stable=True).indices[:k].sort().values
        left = [-1] * (k - len(nearest))
        index.append((nearest + ends[user]).tolist() + left)
        distance.append(found[nearest].tolist() + left)
    return index, distance


def lists(chosen: tuple[torch.Tensor, torch.Tensor]) -> Chosen:
    return chosen[0].tolist(), chosen[1].tolist()


@pytest.mark.parametrize("k", [1, 6, 50])
@pytest.mark.parametrize("words", [2])
@pytest.mark.parametrize(("counts", "lengths"), SPLITS, ids=str)
def test_the_nearest_are_taken_and_of_equals_the_earlier(
    counts: list[int], lengths: list[int], words: int, k: int, device: torch.device
) -> None:
    given = signatures(counts, lengths, words, device)
    expected = naive(given, k)
    assert lists(hamming_topk_triton(*given.args(), k, TINY)) == expected
    assert lists(reference.hamming_topk(*given.args(), k)) == expected


def test_equal_behaviours_fill_the_list_in_their_order(device: torch.device) -> None:
    given = signatures([2], [40], 1, device)
    a, b, index, offsets = given.args()
    same = b[:1].expand(40, 1).contiguous()
    places, distance = hamming_topk_triton(a, same, index, offsets, 7, TINY)
    assert places.tolist() == [list(range(7))] * 2
    assert len(set(distance[0].tolist())) == 1


def test_the_shipped_steps_agree(device: torch.device) -> None:
    for length in (300, 1100):
        given = signatures([3], [length], 2, device)
        assert lists(hamming_topk(*given.args(), k=20)) == naive(given, 20)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    given = signatures([4], [8], 2, device)
    with pytest.raises(ValueError, match="k is 0; allowed is 1 or more"):
        hamming_topk(*given.args(), k=0)


def test_the_work_is_that_of_the_pairs() -> None:
    work = HammingTopkWork(n=1000, t=1000, b=1, pairs=1_000_000, bits=64, k=50)
    assert (work.flops, work.bytes_moved) == (128_000_000, 16_000 + 4008 + 400_000)
