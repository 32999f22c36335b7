"""Any bags, any share of misses: together or apart they are the same, and a bag of one row is that row."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.gather_dequant.kernel import Config, gather_dequant_pool_triton
from kernels.gather_dequant.wire import WireFormat
from tests.unit.kernels.gather_dequant.rows import WIRES, naive_rows, staging_of

TINY = Config(16, 16)
BAGS = st.lists(st.lists(st.integers(-2, 5), max_size=6), min_size=1, max_size=5)


@settings(deadline=None, max_examples=20)
@given(bags=BAGS, wire=st.sampled_from(WIRES))
def test_bags_together_are_bags_apart(bags: list[list[int]], wire: WireFormat) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    staging = staging_of(6, wire, device)
    default = torch.randn(wire.width, generator=torch.Generator().manual_seed(1)).to(device)
    rows = naive_rows(staging, wire)

    def pool(given: list[list[int]]) -> torch.Tensor:
        slot = torch.tensor([at for bag in given for at in bag], dtype=torch.int32, device=device)
        offsets = torch.tensor([0, *(len(bag) for bag in given)], device=device).cumsum(0).to(torch.int32)
        return gather_dequant_pool_triton(staging, slot, offsets, default, wire, "mean", torch.float32, TINY)[0]

    together = pool(bags)
    for number, bag in enumerate(bags):
        assert torch.equal(together[number], pool([bag])[0])
        found = [at for at in bag if at >= 0]
        if len(found) <= 1:
            assert torch.equal(together[number].cpu(), rows[found[0]] if found else default.cpu())
