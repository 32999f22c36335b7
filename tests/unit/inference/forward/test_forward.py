"""Padding to a bucket changes no probability; on a GPU neither does the graph."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from inference.forward.buckets import CANDIDATES, Bucket
from inference.forward.forward import Forward
from inference.models.ranker import VARIANTS, Ranker
from inference.models.sizes import Sizes
from tests.unit.inference.forward.batches import WIDTHS, batch

SIZES = Sizes(user_tokens=4, item_width=16, pair_width=8, context_width=4, num_heads=2)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SPLITS = [[1], [100], [128], [3, 0, 200], [10] * 5, [0]]


@pytest.fixture(scope="module", params=list(VARIANTS))
def ranker(request: pytest.FixtureRequest) -> Ranker:
    """Random weights everywhere, so that no part adds nothing."""
    torch.manual_seed(0)
    ranker = Ranker(SIZES, VARIANTS[request.param]).eval()
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return ranker


def prepared(ranker: Ranker, dtype: torch.dtype = torch.float32) -> Forward:
    """Every split above falls into one of these."""
    forward = Forward(ranker, WIDTHS, DEVICE, dtype)
    forward.prepare([Bucket(candidates, requests) for candidates in (128, 256) for requests in (1, 4, 16)])
    return forward


@pytest.mark.parametrize("counts", SPLITS, ids=str)
def test_a_padded_batch_scores_as_it_does_alone(ranker: Ranker, counts: list[int]) -> None:
    forward, inputs = prepared(ranker), batch(counts)
    with torch.inference_mode():
        expected = ranker.score(inputs)
    for _ in range(2):  # the second time finds the arena as the first left it
        forward.score(batch([90, 10], seed=3))
        forward.score(batch([200], seed=4))
        got = forward.score(inputs)
        torch.testing.assert_close(got.p_click, expected.p_click, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(got.p_conversion, expected.p_conversion, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("counts", [[CANDIDATES[-1] + 5], [300, 20]], ids=str)
def test_a_batch_that_nobody_prepared_for_is_scored_as_well(ranker: Ranker, counts: list[int]) -> None:
    inputs = batch(counts)
    with torch.inference_mode():
        expected = ranker.score(inputs)
    torch.testing.assert_close(prepared(ranker).score(inputs).p_click, expected.p_click, rtol=1e-4, atol=1e-5)


def test_bfloat16_gives_nearly_the_same_probabilities(ranker: Ranker) -> None:
    inputs = batch([100, 20])
    with torch.inference_mode():
        expected = ranker.score(inputs)
    got = prepared(ranker, torch.bfloat16).score(inputs)
    assert got.p_click.dtype is torch.float32
    torch.testing.assert_close(got.p_click, expected.p_click, rtol=0, atol=0.05)


def test_bfloat16_makes_no_candidates_tie(ranker: Ranker) -> None:
    p_click = Forward(ranker, WIDTHS, DEVICE, torch.bfloat16).score(batch([400])).p_click
    apart = [p for p in p_click.tolist() if p < 0.99]  # near 1 float32 has few numbers, too
    assert len(set(apart)) > 0.95 * len(apart) > 0


@pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a CUDA GPU")
def test_two_threads_capture_at_once(ranker: Ranker) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: prepared(ranker).score(batch([100, 20])).p_click, range(4)))
    for p_click in found[1:]:
        torch.testing.assert_close(p_click, found[0])


def test_the_ranker_that_was_handed_over_stays_as_it_was(ranker: Ranker) -> None:
    prepared(ranker, torch.bfloat16)
    assert {parameter.dtype for parameter in ranker.parameters()} == {torch.float32}
