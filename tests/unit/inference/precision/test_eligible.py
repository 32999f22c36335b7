"""Which linears may run in FP8 at all."""

import pytest
import torch

from inference.forward.arena import InputWidths
from inference.models.ranker import VARIANTS, Ranker
from inference.precision.eligible import NARROWEST, eligible_sites, ineligible, scales_with_candidates
from inference.precision.sites import linears
from inference.training.untrained import TINY
from tests.unit.inference.forward.batches import batch


@pytest.fixture(params=list(VARIANTS))
def ranker(request: pytest.FixtureRequest) -> Ranker:
    torch.manual_seed(0)
    return Ranker(TINY, VARIANTS[request.param]).eval().requires_grad_(False)


@pytest.mark.parametrize("counts", [[1], [3, 4]], ids=str)
def test_only_what_grows_with_the_candidates_and_is_wide_enough(ranker: Ranker, counts: list[int]) -> None:
    inputs = batch(counts, widths=InputWidths.of(TINY))
    grows, eligible = scales_with_candidates(ranker, inputs), eligible_sites(ranker, inputs)
    why = ineligible(ranker, inputs)
    assert set(why) == set(linears(ranker))
    assert "from_candidate" in eligible
    assert (why["from_request"], why["hops.0.key_value"]) == ("computed once per request: nothing to gain",) * 2
    assert why["heads"] == why["pair_heads"] == f"narrower than {NARROWEST}"
    for site, linear in linears(ranker).items():
        assert (site in eligible) is (grows[site] and min(linear.weight.shape) >= NARROWEST)
