"""The Triton form against the definition in float64, pair by pair."""

import pytest
import torch

from kernels.hamming_pool import reference
from kernels.hamming_pool.kernel import Config, hamming_pool_triton
from kernels.hamming_pool.op import hamming_pool
from tests.unit.kernels.close import TOLERANCE, assert_close
from tests.unit.kernels.signatures import SPLITS, Signatures, signatures

TINY = Config(16, 16, 16)


def softmax_table(bits: int, device: torch.device) -> torch.Tensor:
    return torch.exp(8 * (1 - 2 * torch.arange(bits + 1, device=device) / bits))


def values(given: Signatures, d: int, dtype: torch.dtype, seed: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(given.b.shape[0], d, generator=generator).to(given.a.device, dtype)


def exact(given: Signatures, v: torch.Tensor, table: torch.Tensor, normalise: bool) -> torch.Tensor:
    ends, users = given.kv_offsets.tolist(), given.cand_to_user.tolist()
    out = torch.zeros(len(users), v.shape[1], dtype=torch.float64)
    for row, (distance, user) in enumerate(zip(given.distances(), users, strict=True)):
        weight = table.double().cpu()[distance]
        if normalise and len(weight):
            weight = weight / weight.sum()
        out[row] = weight @ v.double().cpu()[ends[user] : ends[user + 1]]
    return out


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("normalise", [False, True], ids=["sum", "mean"])
@pytest.mark.parametrize(("counts", "lengths"), SPLITS, ids=str)
def test_it_is_the_weighted_sum_over_the_pairs(
    counts: list[int], lengths: list[int], normalise: bool, dtype: torch.dtype, device: torch.device
) -> None:
    given = signatures(counts, lengths, 2, device)
    v, table = values(given, 24, dtype), softmax_table(64, device)
    a, b, index, offsets = given.args()
    out = hamming_pool_triton(a, b, v, table, index, offsets, normalise, TINY)
    assert_close(out, exact(given, v, table, normalise))
    assert_close(reference.hamming_pool(a, b, v, table, index, offsets, normalise), exact(given, v, table, normalise))


@pytest.mark.parametrize("words", [1, 2])
def test_distances_on_matrix_units_give_the_same(words: int, device: torch.device) -> None:
    given = signatures([3, 0, 18, 1], [7, 5, 0, 40], words, device)
    v, table = values(given, 20, torch.float32), softmax_table(32 * words, device)
    a, b, index, offsets = given.args()
    for config in (Config(16, 16, 16, matrix=True), Config(16, 16, 16, splits=2, matrix=True)):
        out = hamming_pool_triton(a, b, v, table, index, offsets, True, config)
        assert_close(out, exact(given, v, table, True))


@pytest.mark.parametrize("normalise", [False, True], ids=["sum", "mean"])
def test_a_split_history_gives_the_same(normalise: bool, device: torch.device) -> None:
    given = signatures([3, 0, 18, 1], [7, 5, 0, 70], 1, device)
    v, table = values(given, 20, torch.float32), softmax_table(32, device)
    a, b, index, offsets = given.args()
    out = hamming_pool_triton(a, b, v, table, index, offsets, normalise, Config(16, 16, 16, splits=3))
    assert_close(out, exact(given, v, table, normalise))


def test_a_threshold_that_nothing_passes_gives_zeros(device: torch.device) -> None:
    given = signatures([5], [30], 2, device)
    v, table = values(given, 16, torch.float32), torch.zeros(65, device=device)
    a, b, index, offsets = given.args()
    for normalise in (False, True):
        assert not hamming_pool_triton(a, b, v, table, index, offsets, normalise, TINY).any()
        assert not reference.hamming_pool(a, b, v, table, index, offsets, normalise).any()


def test_the_shipped_tiles_agree(device: torch.device) -> None:
    given = signatures([70], [200], 2, device)
    for d in (24, 130):
        v, table = values(given, d, torch.float32), softmax_table(64, device)
        a, b, index, offsets = given.args()
        assert_close(hamming_pool(a, b, v, table, index, offsets, normalise=True), exact(given, v, table, True))


def test_a_candidate_does_not_see_the_others(device: torch.device) -> None:
    given = signatures([20, 13], [30, 25], 2, device)
    v, table = values(given, 16, torch.float32), softmax_table(64, device)
    whole = hamming_pool_triton(given.a, given.b, v, table, given.cand_to_user, given.kv_offsets, True, TINY)
    keep = torch.arange(0, 33, 2, device=device)
    index = given.cand_to_user[keep].contiguous()
    some = hamming_pool_triton(given.a[keep].contiguous(), given.b, v, table, index, given.kv_offsets, True, TINY)
    torch.testing.assert_close(some, whole[keep], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("normalise", [False, True], ids=["sum", "mean"])
@pytest.mark.parametrize("config", [TINY, Config(16, 16, 16, splits=3), Config(16, 16, 16, matrix=True)], ids=str)
def test_a_user_does_not_see_the_history_of_others(config: Config, normalise: bool, device: torch.device) -> None:
    """Of users whose candidates meet in one tile, and their histories in one block."""
    given = signatures([5, 4, 0, 3], [7, 30, 6, 5], 2, device)
    v, table = values(given, 16, torch.float32), softmax_table(64, device)
    index = given.cand_to_user
    poisoned = v.clone()
    poisoned[7:43] = float("nan")  # the histories of users 1 and 2

    def both(v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        args = given.a, given.b, v, table, index, given.kv_offsets, normalise
        return hamming_pool_triton(*args, config), reference.hamming_pool(*args)

    for before, after in zip(both(v), both(poisoned), strict=True):
        torch.testing.assert_close(after[index != 1], before[index != 1], rtol=0, atol=0)
        assert after[index == 1].isnan().all()


def test_the_reference_is_differentiable_in_values_and_weights(device: torch.device) -> None:
    given = signatures([3, 2], [6, 5], 1, device)
    v = values(given, 4, torch.float64).requires_grad_()
    table = softmax_table(32, device).double().requires_grad_()
    a, b, index, offsets = given.args()
    assert torch.autograd.gradcheck(
        lambda v, w: reference.hamming_pool(a, b, v, w, index, offsets, True), (v, table),
        nondet_tol=1e-12,  # a GPU adds in any order
    )  # fmt: skip


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    given = signatures([4], [8], 2, device)
    a, b, index, offsets = given.args()
    with pytest.raises(ValueError, match=r"weight is \[64\]; expected \[65\]"):
        hamming_pool(a, b, values(given, 4, torch.float32), torch.ones(64, device=device), index, offsets)
    with pytest.raises(ValueError, match=r"v is \[7, 4\]"):
        hamming_pool(a, b, values(given, 4, torch.float32)[:7], torch.ones(65, device=device), index, offsets)
