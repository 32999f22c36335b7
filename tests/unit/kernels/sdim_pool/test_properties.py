"""Any ragged split of candidates and histories: together or apart, in any order, the means are the same."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.sdim_pool.op import bucket_means, sdim_pool
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.sdim_pool.test_op import exact, pooled, values
from tests.unit.kernels.signatures import signatures

USERS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), min_size=1, max_size=4)
GROUP_BITS = st.sampled_from([1, 2, 4, 8])


@settings(deadline=None, max_examples=25, derandomize=True)
@given(users=USERS, group_bits=GROUP_BITS, seed=st.integers(0, 2**31))
def test_requests_together_are_requests_apart(
    device: torch.device, users: list[tuple[int, int]], group_bits: int, seed: int
) -> None:
    all_of = signatures([n for n, _ in users], [length for _, length in users], 1, device, seed)
    v = values(all_of, 3, torch.float64, seed)
    out, ends = pooled(all_of, v, group_bits), all_of.kv_offsets.tolist()
    assert_close(out, exact(all_of, v, group_bits), 1e-12)
    for user, (_, length) in enumerate(users):
        own = all_of.cand_to_user == user
        mine = slice(ends[user], ends[user + 1])
        whole = torch.tensor([0, length], dtype=torch.int32, device=device)
        means = bucket_means(all_of.b[mine], v[mine], whole, group_bits)
        alone = torch.zeros(int(own.sum()), dtype=torch.int32, device=device)
        assert_close(out[own], sdim_pool(all_of.a[own], means, alone), 1e-12)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(length=st.integers(1, 20), group_bits=GROUP_BITS, seed=st.integers(0, 2**31))
def test_the_order_of_candidates_and_behaviours_does_not_matter(
    device: torch.device, length: int, group_bits: int, seed: int
) -> None:
    all_of = signatures([4, 3], [length, 5], 1, device, seed)
    v = values(all_of, 3, torch.float64, seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.cat([torch.randperm(length, generator=generator), torch.arange(length, length + 5)]).to(device)
    shuffled = bucket_means(all_of.b[order], v[order], all_of.kv_offsets, group_bits)
    candidates = torch.randperm(7, generator=generator).to(device)
    out = sdim_pool(all_of.a[candidates], shuffled, all_of.cand_to_user[candidates])
    assert_close(out, pooled(all_of, v, group_bits)[candidates], 1e-12)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(length=st.integers(1, 20), group_bits=GROUP_BITS, seed=st.integers(0, 2**31))
def test_a_candidate_that_is_the_only_behaviour_reads_its_value(
    device: torch.device, length: int, group_bits: int, seed: int
) -> None:
    all_of = signatures([1] * length, [1] * length, 1, device, seed)  # every user has one of each
    v = values(all_of, 3, torch.float64, seed)
    means = bucket_means(all_of.b, v, all_of.kv_offsets, group_bits)
    assert_close(sdim_pool(all_of.b, means, all_of.cand_to_user), v, 1e-12)
