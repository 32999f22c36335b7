"""What is timed of a whole pass is the pass that serves; the times themselves need a GPU (`test_timing`)."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from inference.forward.arena import Arena, InputWidths
from inference.forward.forward import Forward
from inference.models.ranker import VARIANTS, Ranker
from inference.precision.recipes import ROWWISE
from inference.precision.timing import ROUNDS
from inference.precision.whole_pass import REPLAYS, one_request, pass_times
from inference.training.untrained import TINY
from tests.unit.inference.forward.batches import batch

WIDTHS = InputWidths.of(TINY)
RECIPES = {"from_candidate": ROWWISE}


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    torch.manual_seed(0)
    return Ranker(TINY, VARIANTS["standard"]).eval().requires_grad_(False)


def test_one_request_has_the_candidates_of_the_batch_again_and_again() -> None:
    inputs = batch([3, 4], widths=WIDTHS)
    one = one_request(inputs, 17)
    one.check()
    assert (one.num_requests, one.num_candidates) == (1, 17)
    assert torch.equal(one.cand[7:14], inputs.cand)
    assert torch.equal(one.user[0], inputs.user[0])


@pytest.mark.parametrize("speedup", [2.0, 0.5])
def test_both_passes_take_turns_in_the_bucket_that_serves(
    ranker: Ranker, monkeypatch: pytest.MonkeyPatch, speedup: float
) -> None:
    built: list[tuple[torch.dtype, Mapping[str, str]]] = []
    ran: list[tuple[int, int]] = []
    turns: list[Callable[[], object]] = []

    class Watched(Forward):
        def __init__(self, *given: Any) -> None:  # Any: what a pass is made of
            built.append(given[-2:])
            super().__init__(*given)

        def probabilities(self, arena: Arena) -> torch.Tensor:
            ran.append((arena.bucket.candidates, arena.bucket.requests))
            return torch.empty(0)

    def seconds(call: Callable[[], object]) -> float:
        turns.append(call)
        if len(turns) <= 2:
            call()
        bf16 = call is turns[0]
        return REPLAYS * (speedup if bf16 else 1.0) * 1e-4

    monkeypatch.setattr("inference.precision.whole_pass.Forward", Watched)
    found = pass_times(
        ranker, WIDTHS, RECIPES, one_request(batch([5], widths=WIDTHS), 200), torch.device("cpu"), seconds
    )
    assert built == [(torch.bfloat16, {}), (torch.bfloat16, RECIPES)]
    assert ran == [(256, 1)] * 2 * REPLAYS
    assert turns == turns[:2] * ROUNDS
    assert (found.us, found.bf16_us, found.speedup) == pytest.approx((100.0, 100.0 * speedup, speedup))
