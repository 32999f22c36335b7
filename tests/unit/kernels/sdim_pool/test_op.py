"""The table and the gather are the mean over colliding behaviours."""

import pytest
import torch

from kernels.sdim_pool.op import bucket_means, sdim_pool
from kernels.sdim_pool.reference import group_index
from kernels.sdim_pool.roofline import BucketMeansWork, SdimPoolWork
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.signatures import SPLITS, Signatures, random_words, signatures

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}  # means rounded, too


def values(given: Signatures, d: int, dtype: torch.dtype, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(given.b.shape[0], d, generator=generator).to(given.b.device, dtype)


def pooled(given: Signatures, v: torch.Tensor, group_bits: int) -> torch.Tensor:
    return sdim_pool(given.a, bucket_means(given.b, v, given.kv_offsets, group_bits), given.cand_to_user)


def exact(given: Signatures, v: torch.Tensor, group_bits: int) -> torch.Tensor:
    """Pair by pair and group by group, [N, D] float64 on the CPU."""
    ends, mask = given.kv_offsets.tolist(), (1 << group_bits) - 1
    a, b, wide = given.a.cpu(), given.b.cpu(), v.double().cpu()
    groups = [(word, at) for word in range(a.shape[1]) for at in range(0, 32, group_bits)]
    out = torch.zeros(a.shape[0], v.shape[1], dtype=torch.float64)
    for row, user in enumerate(given.cand_to_user.tolist()):
        mine = slice(ends[user], ends[user + 1])
        for word, at in groups:
            same = ((b[mine, word] ^ a[row, word]) >> at) & mask == 0
            out[row] += wide[mine][same].sum(0) / max(int(same.sum()), 1) / len(groups)
    return out


@pytest.mark.parametrize("group_bits", [1, 2, 4])
@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize(("counts", "lengths"), SPLITS, ids=str)
def test_it_is_the_mean_over_the_groups_of_the_mean_over_collisions(
    counts: list[int], lengths: list[int], words: int, group_bits: int, device: torch.device
) -> None:
    given = signatures(counts, lengths, words, device)
    v = values(given, 3, torch.float64)
    assert_close(pooled(given, v, group_bits), exact(given, v, group_bits), TOLERANCE[v.dtype])


@pytest.mark.parametrize("group_bits", [1, 2, 3, 4, 6, 8, 12, 16])
def test_a_group_may_lie_in_two_words(group_bits: int, device: torch.device) -> None:
    words = random_words(5, 3, torch.Generator().manual_seed(2))
    index = group_index(words.to(device), group_bits)
    for row, found in zip(words.tolist(), index.tolist(), strict=True):
        whole = sum((word & 0xFFFFFFFF) << (32 * place) for place, word in enumerate(row))
        assert found == [whole >> at & ((1 << group_bits) - 1) for at in range(0, 96, group_bits)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_comes_out_as_it_went_in(dtype: torch.dtype, device: torch.device) -> None:
    given = signatures([3, 0, 18, 1], [7, 5, 0, 40], 2, device)
    v = values(given, 5, dtype)
    out = pooled(given, v, 2)
    assert out.dtype is dtype
    assert_close(out, exact(given, v, 2), TOLERANCE[dtype])


def test_a_bucket_of_many_is_their_mean_in_sixteen_bits_too(device: torch.device) -> None:
    b = torch.zeros(3000, 1, dtype=torch.int32, device=device)  # all in one bucket of every group
    v = torch.full((3000, 2), 3.0, dtype=torch.bfloat16, device=device)
    offsets = torch.tensor([0, 3000], dtype=torch.int32, device=device)
    assert bool((bucket_means(b, v, offsets, 4)[0, :, 0] == 3.0).all())


def test_values_have_gradients(device: torch.device) -> None:
    given = signatures([4, 2], [9, 6], 1, device)
    v = values(given, 3, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: pooled(given, v, 2), v, nondet_tol=1e-12)  # a GPU adds in any order


def test_nothing_gives_nothing(device: torch.device) -> None:
    given = signatures([0, 0], [0, 0], 1, device)
    means = bucket_means(given.b, values(given, 3, torch.float32), given.kv_offsets, 2)
    assert means.shape == (2, 16, 4, 3)
    assert not means.any()
    assert sdim_pool(given.a, means, given.cand_to_user).shape == (0, 3)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    given = signatures([2], [5], 1, device)
    v = values(given, 3, torch.float32)
    for group_bits in (0, 3, 32):
        with pytest.raises(ValueError, match=f"group_bits is {group_bits}; allowed are 1, 2, 4, 8, 16$"):
            bucket_means(given.b, v, given.kv_offsets, group_bits)
    with pytest.raises(ValueError, match=r"v is \[4, 3\]; expected \[5, 'any'\]"):
        bucket_means(given.b, v[:4], given.kv_offsets, 2)
    with pytest.raises(ValueError, match="b is int64; allowed is int32"):
        bucket_means(given.b.long(), v, given.kv_offsets, 2)
    with pytest.raises(ValueError, match="kv_offsets is empty"):
        bucket_means(given.b, v, given.kv_offsets[:0], 2)
    means = bucket_means(given.b, v, given.kv_offsets, 2)
    with pytest.raises(ValueError, match=r"means has 16 groups of 3 patterns; allowed are G of 2 \*\* \(32 / G\)"):
        sdim_pool(given.a, means[:, :, :3], given.cand_to_user)
    with pytest.raises(ValueError, match="means has 15 groups of 4 patterns"):
        sdim_pool(given.a, means[:, :15], given.cand_to_user)
    with pytest.raises(ValueError, match="means has no users; 2 candidates ask for one"):
        sdim_pool(given.a, means[:0], given.cand_to_user)
    with pytest.raises(ValueError, match="cand_to_user is int64; allowed is int32"):
        sdim_pool(given.a, means, given.cand_to_user.long())


def test_the_work_is_a_row_a_group() -> None:
    means = BucketMeansWork(t=10_000, b=1, groups=16, group_bits=4, d=64, itemsize=2)
    assert means.cells == 256
    assert means.flops == (160_000 + 256) * 64
    assert means.bytes_moved == 10_000 * 8 + 10_256 * 128 + 8
    work = SdimPoolWork(1000, means)
    assert work.flops - means.flops == 1000 * 16 * 64
    assert work.bytes_moved - means.bytes_moved == 8000 + (256 + 1000) * 128 + 4000
