"""One ranker, site by site: what its inputs look like, what each recipe does to it, and which sites may take FP8."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from inference.models.ranker import Ranker
from inference.precision.as_served import Serve
from inference.precision.changes import Changes
from inference.precision.eligible import ineligible
from inference.precision.errors import kernel_error
from inference.precision.heldout import BATCH_REQUESTS, Heldout, Logits
from inference.precision.moments import Moments
from inference.precision.part import Part, enough_conversions, num_conversions
from inference.precision.recipes import BF16, FP8, RECIPES, SERVED, by_recipe, by_recipes
from inference.precision.select import Joint, Option, not_kept, select
from inference.precision.sites import linears, watched
from inference.precision.table import RecipeRow, Served, SiteRow, VariantPrecision
from inference.precision.timing import PassTimes
from inference.precision.tops import by_chance
from inference.protocol import RankInputs

NUM_PARTS = 3  # to choose on, to verify the choice on, and to say on what it costs

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """What a GPU with FP8 can say of speed."""

    site: Callable[[nn.Linear], Mapping[str, float]]  # microseconds of each recipe
    whole: Callable[[Ranker, Mapping[str, str]], PassTimes]  # recipe of each site, the others in bf16


def probe(
    ranker: Ranker,
    batches: Sequence[Heldout],
    budget: float,
    conversion_weight: float,
    serve: Serve,
    timing: Timing | None,
    say: Say,
) -> VariantPrecision:
    """The choice is made on every third batch, verified on the next, and what it costs is said of the rest.

    Sites are looked at one by one with the others in float32; what they do together is measured as `serve` computes it,
    and the budget is of the change from float32. `conversion_weight` is that of the served score. Raises ValueError
    with fewer batches than parts, where a linear was not reached, as its error is unknown, and where anything is not
    finite, naming the site.
    """
    if len(batches) < NUM_PARTS:
        raise ValueError(
            f"{len(batches)} batches of {BATCH_REQUESTS} held-out requests; at least {NUM_PARTS} are needed"
        )
    split = [batches[part::NUM_PARTS] for part in range(NUM_PARTS)]
    exact, judged = _in_float32(ranker), enough_conversions(split)

    def part_of(some: Sequence[Heldout]) -> Part:
        return Part(some, exact, conversion_weight, judges_conversion=judged)

    moments = record(ranker, [batch.inputs for batch in split[0]])
    choosing, verifying, untouched = map(part_of, split)
    log_loss, conversion_log_loss = _finite(part_of(batches).log_losses())
    found, refused = linears(ranker), ineligible(ranker, batches[0].inputs)

    def alone(site: str, recipe: str) -> Changes:
        return choosing.changes(choosing.logits(_in_float32(by_recipes(ranker, {site: recipe}))))

    rows: list[SiteRow] = []
    options: list[Option] = []
    for site, linear in found.items():
        say(f"probing {site}")
        times = None if timing is None else timing.site(linear)
        row = _site_row(site, linear.weight.detach(), moments[site], alone, times)
        rows.append(row)
        options += [_option(row, recipe, refused[site], times) for recipe in FP8]
    say("choosing")

    def together(part: Part) -> Joint:
        return lambda recipes: part.changes(part.logits(serve(ranker, recipes))).bound

    selection = select(options, together(choosing), together(verifying), budget)
    bf16 = untouched.logits(serve(ranker, {}))

    def served(recipes: Mapping[str, str]) -> Served:
        logits = untouched.logits(serve(ranker, recipes))
        return Served(untouched.changes(logits), untouched.changes(logits, bf16), untouched.same_top(logits))

    chosen = selection.chosen
    by_choice = served(chosen)
    whole_pass = timing.whole(ranker, chosen) if timing and chosen else None
    reason = not_kept(chosen, by_choice.from_float32.bound, budget, whole_pass)
    return VariantPrecision(
        num_requests=sum(batch.inputs.num_requests for batch in batches),
        num_conversions=num_conversions(batches),
        log_loss=log_loss,
        conversion_log_loss=conversion_log_loss,
        ten_by_chance=by_chance(untouched.offsets),
        sites=[_with_verdicts(row, selection.verdicts) for row in rows],
        chosen=chosen,
        served=by_choice,
        everywhere={BF16: served({})} | {recipe: served(dict.fromkeys(found, recipe)) for recipe in FP8},
        whole_pass=whole_pass,
        not_kept=reason,
        kept=chosen if reason is None else {},
    )


@torch.inference_mode()
def record(ranker: Ranker, batches: Sequence[RankInputs]) -> dict[str, Moments]:
    """Moments of the inputs of every linear; ValueError names who was not reached or is not finite."""
    moments: dict[str, Moments] = {}

    def add(site: str, x: torch.Tensor) -> None:
        moments.setdefault(site, Moments()).add(x.reshape(-1, x.shape[-1]))

    for batch in batches:
        with watched(ranker, add):
            ranker(batch)
    found = linears(ranker)
    if missing := sorted(found.keys() - moments.keys()):
        raise ValueError(f"{', '.join(missing)} were not called: who multiplies with their weights cannot be probed")
    for site, linear in found.items():
        for name, values in (("weights", linear.weight), ("inputs", moments[site].covariance)):
            if not values.isfinite().all():
                raise ValueError(f"site {site}: its {name} are not finite")
    return moments


def _finite(losses: tuple[float, float | None]) -> tuple[float, float | None]:
    for head, loss in zip(("click", "conversion"), losses, strict=True):
        if loss is not None and not math.isfinite(loss):
            raise ValueError(f"the log loss of a {head} in float32 is {loss}: nothing can be held against it")
    return losses


def _in_float32(ranker: Ranker) -> Logits:
    def logits(inputs: RankInputs) -> tuple[torch.Tensor, torch.Tensor]:
        click, conversion = ranker(inputs)
        return click, conversion

    return logits


def _site_row(
    site: str,
    weight: torch.Tensor,
    moments: Moments,
    alone: Callable[[str, str], Changes],
    times: Mapping[str, float] | None,
) -> SiteRow:
    real, sampled = moments.real(), moments.sampled()
    exact_real, exact_sampled = real @ weight.T, sampled @ weight.T
    return SiteRow(
        site=site,
        inputs=weight.shape[1],
        outputs=weight.shape[0],
        tail=moments.tail,
        recipes={
            recipe: RecipeRow(
                real=kernel_error(by_recipe(recipe, real, weight), exact_real),
                sampled=kernel_error(by_recipe(recipe, sampled, weight), exact_sampled),
                changes=alone(site, recipe),
                us=None if times is None else times[recipe],
                speedup=None if times is None else times[BF16] / times[recipe],
                verdict="",
            )
            for recipe in RECIPES
        },
    )


def _option(row: SiteRow, recipe: str, refused: str | None, times: Mapping[str, float] | None) -> Option:
    return Option(
        site=row.site,
        recipe=recipe,
        ineligible=refused,
        isolated=recipe in SERVED,
        work=row.inputs * row.outputs,
        bound=row.recipes[recipe].changes.bound,
        saved_us=None if times is None else times[BF16] - times[recipe],
    )


def _with_verdicts(row: SiteRow, verdicts: Mapping[tuple[str, str], str]) -> SiteRow:
    recipes = {
        recipe: replace(found, verdict=verdicts.get((row.site, recipe), "the default"))
        for recipe, found in row.recipes.items()
    }
    return replace(row, recipes=recipes)
