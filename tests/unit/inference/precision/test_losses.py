"""What is held against the budget: the ranker as it serves, and changes that can be counted by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inference.precision.as_served import Serve, as_served
from inference.precision.heldout import Heldout, heldout_batches
from inference.precision.losses import Losses
from inference.precision.probe import probe
from inference.precision.recipes import BF16, ROWWISE, by_recipes
from inference.precision.source import heldout_data
from inference.precision.table import VariantPrecision
from inference.release import Release, load_release
from inference.training.source import Source

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPES = {"from_candidate": ROWWISE}


@pytest.fixture(scope="module")
def release(trained: Path) -> Release:
    return load_release(trained)


@pytest.fixture(scope="module")
def batches(release: Release) -> Sequence[Heldout]:
    return heldout_batches(release, heldout_data(release, Source.SYNTHETIC), 256)


@pytest.fixture(scope="module")
def serve(release: Release) -> Serve:
    return as_served(release.manifest, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


@pytest.fixture(scope="module")
def found(release: Release, batches: Sequence[Heldout], serve: Serve) -> VariantPrecision:
    return probe(release.bundle.ranker("small"), batches, 2e-4, serve, None, lambda text: None)


@torch.inference_mode()
def test_what_is_judged_is_the_narrowed_ranker_by_its_recipes(
    release: Release, batches: Sequence[Heldout], serve: Serve
) -> None:
    ranker, inputs = release.bundle.ranker("standard"), batches[0].inputs
    narrow = by_recipes(ranker, RECIPES).narrow(torch.bfloat16)
    features = {name: getattr(inputs, name).bfloat16() for name in ("user", "context", "cand", "pair")}
    expected, _ = narrow(replace(inputs, **features))
    tolerance = 2e-2 if torch.cuda.is_available() else 1e-5  # a GPU has sums of its own
    torch.testing.assert_close(serve(ranker, RECIPES)(inputs), expected, rtol=0, atol=tolerance)
    in_float32, _ = by_recipes(ranker, RECIPES)(inputs)
    assert float((expected - in_float32).abs().max()) > 1e-3  # the rest is in bf16, and it shows
    assert next(ranker.parameters()).dtype is torch.float32


def test_the_choice_is_measured_from_float32_and_from_bf16(
    release: Release, batches: Sequence[Heldout], serve: Serve, found: VariantPrecision
) -> None:
    ranker = release.bundle.ranker("small")
    verifying = Losses(batches[1::2], lambda inputs: ranker(inputs)[0])
    bf16, chosen = (verifying.of(serve(ranker, recipes)) for recipes in ({}, found.within_budget))
    assert found.verified.from_float32 == verifying.change(chosen)
    assert found.verified.from_bf16 == verifying.change(chosen, bf16)
    assert found.naive[BF16].from_float32 == verifying.change(bf16) != 0
    assert found.naive[BF16].from_bf16 == 0
    everywhere = verifying.of(serve(ranker, dict.fromkeys([row.site for row in found.sites], ROWWISE)))
    assert found.naive[ROWWISE].from_float32 == verifying.change(everywhere)
    assert found.naive[ROWWISE].from_bf16_error == verifying.error(everywhere, bf16) > 0


def test_where_bf16_alone_is_over_the_budget_no_site_joins(
    release: Release, batches: Sequence[Heldout], serve: Serve
) -> None:
    ranker = release.bundle.ranker("small")
    bf16 = probe(ranker, batches, 2e-4, serve, None, lambda text: None).naive[BF16].from_float32
    refused = probe(ranker, batches, abs(bf16) / 2, serve, None, lambda text: None)
    assert refused.within_budget == {}
    assert "bf16 alone exceeds the budget" in {row.recipes[ROWWISE].verdict for row in refused.sites}


def test_the_larger_half_counts_and_a_nan_is_not_lost(batches: Sequence[Heldout]) -> None:
    losses = Losses(batches, lambda inputs: torch.zeros(inputs.num_candidates))
    changed, start = losses.exact.clone(), 0
    for index, batch in enumerate(batches):
        end = start + batch.inputs.num_requests
        changed[start:end] *= 1.01 if index % 2 else 0.97
        start = end
    assert losses.change(losses.exact) == losses.error(losses.exact) == 0
    assert losses.change(changed) == pytest.approx(-0.03)
    assert losses.change(losses.exact, changed) == pytest.approx(0.03 / 0.97)
    expected = float(((changed - losses.exact) ** 2).sum().sqrt() / losses.exact.sum())
    assert losses.error(changed) == pytest.approx(expected)
    for at in (0, -1):
        broken = changed.clone()
        broken[at] = float("nan")
        assert losses.change(broken) != losses.change(broken)
