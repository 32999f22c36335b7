"""One ranker, site by site: what its inputs look like, what each recipe does to it, and which sites may take FP8."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from inference.models.ranker import Ranker
from inference.models.ranker_work import each_twice
from inference.precision.as_served import Serve
from inference.precision.errors import kernel_error
from inference.precision.heldout import BATCH_REQUESTS, Clicks, Heldout
from inference.precision.losses import Losses
from inference.precision.moments import Moments
from inference.precision.recipes import BF16, FP8, RECIPES, SERVED, by_recipe, by_recipes
from inference.precision.select import Option, Selection, select
from inference.precision.sites import linears, watched
from inference.precision.table import RecipeRow, ServedChange, SiteRow, VariantPrecision
from inference.protocol import RankInputs

NUM_PARTS = 4  # two halves to choose on, two to verify on

Times = Callable[[nn.Linear], Mapping[str, float]]  # microseconds of each recipe
Change = Callable[[Mapping[str, str]], float]  # recipe of each site -> relative change of the log loss
Say = Callable[[str], None]


def probe(
    ranker: Ranker, batches: Sequence[Heldout], budget: float, serve: Serve, times: Times | None, say: Say
) -> VariantPrecision:
    """The choice is made on every other batch and verified on the rest: at least four batches are needed.

    Sites are looked at one by one with the others in float32; what they do together is measured as `serve` computes it,
    and the budget is of the change from float32. Raises ValueError with fewer batches, where a linear was not reached,
    as its error is unknown, and where anything is not finite, naming the site.
    """
    if len(batches) < NUM_PARTS:
        raise ValueError(
            f"{len(batches)} batches of {BATCH_REQUESTS} held-out requests; at least {NUM_PARTS} are needed"
        )
    moments = record(ranker, [batch.inputs for batch in batches[::2]])
    choosing, verifying = (Losses(part, _in_float32(ranker)) for part in (batches[::2], batches[1::2]))
    exact = float(choosing.exact.sum() + verifying.exact.sum()) / sum(float(batch.weight.sum()) for batch in batches)
    if not math.isfinite(exact):
        raise ValueError(f"the log loss in float32 is {exact}: nothing can be held against it")
    per_candidate = scales_with_candidates(ranker, batches[0].inputs)
    found = linears(ranker)

    def alone(recipes: Mapping[str, str]) -> float:
        return choosing.change(choosing.of(_in_float32(by_recipes(ranker, recipes))))

    rows: list[SiteRow] = []
    options: list[Option] = []
    for site, linear in found.items():
        say(f"probing {site}")
        measured = None if times is None else times(linear)
        row = _site_row(site, linear.weight.detach(), moments[site], per_candidate[site], alone, measured)
        rows.append(row)
        options += [_option(row, recipe, measured) for recipe in FP8]
    say("choosing")

    def served(part: Losses) -> Change:
        return lambda recipes: part.change(part.of(serve(ranker, recipes)))

    selection = select(options, served(choosing), served(verifying), budget)
    bf16 = verifying.of(serve(ranker, {}))

    def verified(recipes: Mapping[str, str]) -> ServedChange:
        losses = verifying.of(serve(ranker, recipes))
        from_float32 = verifying.change(losses), verifying.error(losses)
        return ServedChange(*from_float32, verifying.change(losses, bf16), verifying.error(losses, bf16))

    return VariantPrecision(
        num_requests=sum(batch.inputs.num_requests for batch in batches),
        log_loss=exact,
        sites=[_with_verdicts(row, selection) for row in rows],
        within_budget=selection.within_budget,
        kept=selection.kept,
        change=selection.change,
        verified=verified(selection.within_budget),
        naive={BF16: verified({})} | {recipe: verified(dict.fromkeys(found, recipe)) for recipe in FP8},
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


@torch.inference_mode()
def scales_with_candidates(ranker: Ranker, inputs: RankInputs) -> dict[str, bool]:
    """Whether a site has as many more rows as there are more candidates, or works once per request."""

    def rows_of(batch: RankInputs) -> dict[str, int]:
        rows: dict[str, int] = {}

        def count(site: str, x: torch.Tensor) -> None:
            rows[site] = rows.get(site, 0) + x.shape[:-1].numel()

        with watched(ranker, count):
            ranker(batch)
        return rows

    once, twice = rows_of(inputs), rows_of(each_twice(inputs))
    return {site: twice[site] > once[site] for site in once}


def _in_float32(ranker: Ranker) -> Clicks:
    def clicks(inputs: RankInputs) -> torch.Tensor:
        click: torch.Tensor = ranker(inputs)[0]
        return click

    return clicks


def _site_row(
    site: str,
    weight: torch.Tensor,
    moments: Moments,
    per_candidate: bool,
    change: Change,
    times: Mapping[str, float] | None,
) -> SiteRow:
    real, sampled = moments.real(), moments.sampled()
    exact_real, exact_sampled = real @ weight.T, sampled @ weight.T
    return SiteRow(
        site=site,
        inputs=weight.shape[1],
        outputs=weight.shape[0],
        per_candidate=per_candidate,
        tail=moments.tail,
        recipes={
            recipe: RecipeRow(
                real=kernel_error(by_recipe(recipe, real, weight), exact_real),
                sampled=kernel_error(by_recipe(recipe, sampled, weight), exact_sampled),
                change=change({site: recipe}),
                us=None if times is None else times[recipe],
                speedup=None if times is None else times[BF16] / times[recipe],
                verdict="",
            )
            for recipe in RECIPES
        },
    )


def _option(row: SiteRow, recipe: str, times: Mapping[str, float] | None) -> Option:
    return Option(
        site=row.site,
        recipe=recipe,
        inputs=row.inputs,
        outputs=row.outputs,
        per_candidate=row.per_candidate,
        isolated=recipe in SERVED,
        change=row.recipes[recipe].change,
        saved_us=None if times is None else times[BF16] - times[recipe],
    )


def _with_verdicts(row: SiteRow, selection: Selection) -> SiteRow:
    recipes = {
        recipe: replace(found, verdict=selection.verdicts.get((row.site, recipe), "the default"))
        for recipe, found in row.recipes.items()
    }
    return replace(row, recipes=recipes)
