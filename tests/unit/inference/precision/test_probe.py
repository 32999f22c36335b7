"""What is held against the budget: the ranker as it serves, both of its heads, on requests for each purpose."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inference.models.ranker import Ranker
from inference.precision.as_served import Serve, as_served
from inference.precision.eligible import eligible_sites
from inference.precision.heldout import Heldout, Logits, heldout_batches
from inference.precision.part import FEWEST_CONVERSIONS, Part, num_conversions
from inference.precision.probe import NUM_PARTS, Timing, probe
from inference.precision.recipes import BF16, RECIPES, ROWWISE, by_recipes
from inference.precision.report import lines
from inference.precision.source import heldout_data
from inference.precision.table import VariantPrecision
from inference.precision.timing import PassTimes
from inference.protocol import RankInputs
from inference.release import Release, load_release
from inference.training.source import Source
from tests.unit.inference.precision.tables import table

pytestmark = pytest.mark.usefixtures("one_thread")
SITE = {"from_candidate": ROWWISE}


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
def ranker(release: Release) -> Ranker:
    return release.bundle.ranker("small")


def probed(
    ranker: Ranker, batches: Sequence[Heldout], serve: Serve, timing: Timing | None = None, budget: float = 2e-4
) -> VariantPrecision:
    return probe(ranker, batches, budget, 1.0, serve, timing, lambda text: None)


def timing(speedup: float) -> Timing:
    """Every linear is faster in FP8; the whole pass as it is said."""
    times = dict.fromkeys(RECIPES, 1.0) | {BF16: 2.0}
    return Timing(site=lambda linear: times, whole=lambda ranker, recipes: PassTimes(speedup, 1.0, speedup))


def moved(conversion_by: float, among: Sequence[Heldout]) -> Serve:
    """Serves as in float32, but with FP8 the conversions of `among` are moved."""

    def serve(ranker: Ranker, recipes: Mapping[str, str]) -> Logits:
        def logits(inputs: RankInputs) -> tuple[torch.Tensor, torch.Tensor]:
            click, conversion = ranker(inputs)
            is_among = any(inputs is batch.inputs for batch in among)
            return click, conversion + conversion_by if recipes and is_among else conversion

        return logits

    return serve


@torch.inference_mode()
def test_what_is_judged_is_the_narrowed_ranker_by_its_recipes(
    release: Release, batches: Sequence[Heldout], serve: Serve
) -> None:
    ranker, inputs = release.bundle.ranker("standard"), batches[0].inputs
    narrow = by_recipes(ranker, SITE).narrow(torch.bfloat16)
    features = {name: getattr(inputs, name).bfloat16() for name in ("user", "context", "cand", "pair")}
    expected = narrow(replace(inputs, **features))
    tolerance = 2e-2 if torch.cuda.is_available() else 1e-5  # a GPU has sums of its own
    for found, head in zip(serve(ranker, SITE)(inputs), expected, strict=True):
        torch.testing.assert_close(found, head.double(), rtol=0, atol=tolerance)
    in_float32, _ = by_recipes(ranker, SITE)(inputs)
    assert float((expected[0] - in_float32).abs().max()) > 1e-3  # the rest is in bf16, and it shows
    assert next(ranker.parameters()).dtype is torch.float32


def test_a_probability_of_one_has_a_logit(release: Release, batches: Sequence[Heldout], serve: Serve) -> None:
    sure = by_recipes(release.bundle.ranker("small"), {})
    sure.heads.bias = torch.nn.Parameter(torch.tensor([50.0, -200.0]), requires_grad=False)
    click, conversion = serve(sure, {})(batches[0].inputs)
    assert click.isfinite().all()
    assert conversion.isfinite().all()
    assert float(click.min()) > 15
    assert float(conversion.max()) < -15


def test_what_it_costs_is_said_of_the_third_part(ranker: Ranker, batches: Sequence[Heldout], serve: Serve) -> None:
    found = probed(ranker, batches, serve)
    untouched = Part(batches[2::NUM_PARTS], ranker, 1.0, judges_conversion=True)
    bf16, chosen = (untouched.logits(serve(ranker, recipes)) for recipes in ({}, found.chosen))
    assert found.served.from_float32 == untouched.changes(chosen)
    assert found.served.from_bf16 == untouched.changes(chosen, bf16)
    assert found.everywhere[BF16].from_float32 == untouched.changes(bf16)
    assert found.everywhere[BF16].from_bf16.bound == 0
    everywhere = untouched.logits(serve(ranker, dict.fromkeys([row.site for row in found.sites], ROWWISE)))
    assert found.everywhere[ROWWISE].from_float32 == untouched.changes(everywhere)
    assert found.everywhere[ROWWISE].same_top == untouched.same_top(everywhere)
    assert found.num_conversions == num_conversions(batches)


def test_a_head_that_no_click_shows_keeps_a_site_out(ranker: Ranker, batches: Sequence[Heldout]) -> None:
    eligible = set(eligible_sites(ranker, batches[0].inputs))
    free, dear = (probed(ranker, batches, moved(by, batches), budget=0.05) for by in (0.0, 1.0))
    assert set(free.chosen) == eligible
    assert dear.chosen == {}
    everywhere = dear.everywhere[ROWWISE].from_float32
    assert everywhere.worse == "conversion"
    assert everywhere.click.value == pytest.approx(0.0, abs=1e-12)


def test_the_last_word_has_the_part_that_nothing_was_chosen_on(ranker: Ranker, batches: Sequence[Heldout]) -> None:
    fine = probed(ranker, batches, moved(0.0, batches), timing(1.5), budget=0.05)
    assert fine.kept == fine.chosen != {}
    assert (fine.not_kept, fine.whole_pass) == (None, PassTimes(1.5, 1.0, 1.5))
    untouched = batches[2::NUM_PARTS]
    found = probed(ranker, batches, moved(1.0, untouched), timing(1.5), budget=0.05)
    assert found.chosen == fine.chosen
    assert found.served.from_float32.bound > 0.05
    assert (found.kept, found.not_kept) == ({}, "exceeds the budget on requests that had no part in the choice")


def test_a_whole_pass_that_is_not_faster_keeps_nothing_and_the_report_says_so(
    release: Release, ranker: Ranker, batches: Sequence[Heldout]
) -> None:
    found = probed(ranker, batches, moved(0.0, batches), timing(0.9), budget=0.05)
    assert found.chosen
    assert (found.kept, found.not_kept) == ({}, "the whole pass is not faster than in bf16")
    text = "\n".join(lines(replace(table(release, {}), variants={"small": found})))
    assert "whole pass  1.0 us, in bf16 0.9 us: 0.90 x, one request with 1000 candidates" in text
    assert "kept        none: the whole pass is not faster than in bf16" in text


def test_where_bf16_alone_is_over_the_budget_no_site_joins(
    ranker: Ranker, batches: Sequence[Heldout], serve: Serve
) -> None:
    bf16 = probed(ranker, batches, serve).everywhere[BF16].from_float32.bound
    refused = probed(ranker, batches, serve, timing(1.5), budget=bf16 / 4)
    assert (refused.chosen, refused.not_kept, refused.whole_pass) == ({}, "nothing was chosen", None)
    assert "bf16 alone exceeds the budget" in {row.recipes[ROWWISE].verdict for row in refused.sites}


@pytest.mark.parametrize("converted", [0, NUM_PARTS * FEWEST_CONVERSIONS - 1], ids=["none", "too few"])
def test_where_hardly_anyone_converted_the_table_says_that_clicks_alone_are_judged(
    release: Release, ranker: Ranker, batches: Sequence[Heldout], converted: int
) -> None:
    left, few = converted, []
    for batch in batches:
        among = torch.nonzero(batch.converted * batch.conversion_weight)[: left // len(batches) + left % len(batches)]
        labels = torch.zeros_like(batch.converted)
        labels[among] = 1.0
        few.append(replace(batch, converted=labels))
    found = probed(ranker, few, moved(1.0, few), budget=0.05)
    assert found.conversion_log_loss is None
    assert found.everywhere[ROWWISE].from_float32.conversion is None
    assert set(found.chosen) == set(eligible_sites(ranker, few[0].inputs))  # nothing is known of what moved
    text = "\n".join(lines(replace(table(release, {}), variants={"small": found})))
    assert "the budget is of clicks alone, and nothing is known of the other head" in text
    assert ("no conversions" in text) is (converted == 0)
    assert "not judged" in text
