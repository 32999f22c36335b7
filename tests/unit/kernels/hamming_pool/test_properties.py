"""Any ragged split of candidates and histories: together or apart, sums, counts and places are the same."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.hamming_hist.kernel import Config as HistConfig
from kernels.hamming_hist.kernel import hamming_hist_triton
from kernels.hamming_pool.kernel import hamming_pool_triton
from kernels.hamming_topk.kernel import Config as TopkConfig
from kernels.hamming_topk.kernel import hamming_topk_triton
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.hamming_pool.test_kernel import TINY, softmax_table, values
from tests.unit.kernels.signatures import signatures

USERS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), min_size=1, max_size=4)


@settings(deadline=None, max_examples=8)
@given(users=USERS)
def test_requests_together_are_requests_apart(users: list[tuple[int, int]]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    all_of = signatures([n for n, _ in users], [length for _, length in users], 1, device)
    v, table = values(all_of, 16, torch.float32), softmax_table(32, device)
    a, b, index, offsets = all_of.args()
    counts = hamming_hist_triton(a, b, index, offsets, 4, HistConfig(16, 16))
    pooled = hamming_pool_triton(a, b, v, table, index, offsets, True, TINY)
    places, _ = hamming_topk_triton(a, b, index, offsets, 3, TopkConfig(16))
    ends = all_of.kv_offsets.tolist()
    for user, (_, length) in enumerate(users):
        own = all_of.cand_to_user == user
        mine, first = a[own], ends[user]
        history = b[first : first + length]
        alone = torch.zeros(len(mine), dtype=torch.int32, device=device)
        whole = torch.tensor([0, length], dtype=torch.int32, device=device)
        assert torch.equal(counts[own], hamming_hist_triton(mine, history, alone, whole, 4, HistConfig(16, 16)))
        some = hamming_pool_triton(mine, history, v[first : first + length], table, alone, whole, True, TINY)
        assert_close(pooled[own], some.double())
        chosen, _ = hamming_topk_triton(mine, history, alone, whole, 3, TopkConfig(16))
        assert torch.equal(places[own], torch.where(chosen < 0, -1, chosen + first))
