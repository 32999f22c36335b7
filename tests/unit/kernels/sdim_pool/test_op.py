"""The table and the gather are the mean over colliding behaviours."""

import pytest
import torch

from kernels.sdim_pool.op import bucket_means, group_index, sdim_pool
from tests.unit.kernels.signatures import SPLITS, signatures


@pytest.mark.parametrize("group_bits", [1, 2, 4])
@pytest.mark.parametrize(("counts", "lengths"), SPLITS, ids=str)
def test_it_is_the_mean_over_the_groups_of_the_mean_over_collisions(
    counts: list[int], lengths: list[int], group_bits: int, device: torch.device
) -> None:
    given = signatures(counts, lengths, 1, device)
    v = torch.randn(given.b.shape[0], 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(device)
    out = sdim_pool(given.a, bucket_means(given.b, v, given.kv_offsets, group_bits), given.cand_to_user)
    ends, mask = given.kv_offsets.tolist(), (1 << group_bits) - 1
    for row, user in enumerate(given.cand_to_user.tolist()):
        history, rows = given.b[ends[user] : ends[user + 1], 0], v[ends[user] : ends[user + 1]]
        expected = torch.zeros(3, dtype=torch.float64, device=device)
        for group in range(32 // group_bits):
            same = ((history ^ given.a[row, 0]) >> (group * group_bits)) & mask == 0
            expected += rows[same].sum(0) / max(int(same.sum()), 1)
        torch.testing.assert_close(out[row], expected / (32 // group_bits))


def test_a_bucket_of_many_is_their_mean_in_sixteen_bits_too(device: torch.device) -> None:
    b = torch.zeros(3000, 1, dtype=torch.int32, device=device)  # all in one bucket of every group
    v = torch.full((3000, 2), 3.0, dtype=torch.bfloat16, device=device)
    offsets = torch.tensor([0, 3000], dtype=torch.int32, device=device)
    assert bool((bucket_means(b, v, offsets, 4)[0, :, 0] == 3.0).all())


def test_a_group_that_does_not_divide_the_signature_is_named() -> None:
    with pytest.raises(ValueError, match="group_bits is 3; allowed are divisors of 32 up to 16"):
        group_index(torch.zeros(2, 1, dtype=torch.int32), 3)
