"""The choice of sites: pure, from what was measured to what is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

BUDGET = 2e-4  # relative change of the log loss by all sites together: 0.02 % is what ads teams call a difference
NARROWEST = 16  # outputs and inputs of a site that the matrix units can do anything with in FP8
LEAST_CHANGE = 1e-7  # changes below it are equal: what decides between them is the gain

Joint = Callable[[Mapping[str, str]], float]  # recipe of each site, the others in bf16 -> change of the log loss


@dataclass(frozen=True, slots=True)
class Option:
    """One site under one recipe."""

    site: str
    recipe: str
    inputs: int
    outputs: int
    per_candidate: bool
    isolated: bool  # what comes of a row depends on no other row
    change: float  # relative change of the log loss with this site alone in this recipe, the others in float32
    saved_us: float | None  # against bf16, quantisation included; None where it was not measured

    @property
    def gain(self) -> float:
        """Time saved where it is known, else the work that is moved."""
        return float(self.inputs * self.outputs) if self.saved_us is None else self.saved_us


@dataclass(frozen=True, slots=True)
class Selection:
    """`within_budget` passes the error alone; `kept` passes error and speed. Both map sites to recipes."""

    within_budget: dict[str, str]
    kept: dict[str, str]
    change: float  # of the sites within the budget, together, on the requests of the choice
    verified_change: float  # the same on others
    verdicts: dict[tuple[str, str], str]  # (site, recipe) -> why


def select(options: Sequence[Option], joint: Joint, verified: Joint, budget: float = BUDGET) -> Selection:
    """Greedy: the most gain per change first, each added only if all together stay within the budget.

    A change counts by its size: a loss that falls by rounding is as much an accident as one that rises. Errors do not
    add up, so `joint` is asked again with every site; and as a choice fits the requests it was made on, `verified` is
    asked on others, and the sites chosen last are given up until it agrees. What was not timed is not kept. Where bf16
    alone exceeds the budget nothing is chosen: FP8 that brings it back does so by accident.
    """
    verdicts: dict[tuple[str, str], str] = {}
    chosen: dict[str, str] = {}
    refused = {(option.site, option.recipe): refusal(option, budget) for option in options}
    verdicts |= {pair: reason for pair, reason in refused.items() if reason is not None}
    possible = [option for option in options if refused[option.site, option.recipe] is None]  # no NaN to be sorted
    if not all(abs(change({})) <= budget for change in (joint, verified)):
        verdicts |= {(option.site, option.recipe): "bf16 alone exceeds the budget" for option in possible}
        possible = []
    for option in sorted(possible, key=lambda o: (-o.gain / max(abs(o.change), LEAST_CHANGE), o.site, o.recipe)):
        reason = None
        if option.site in chosen:
            reason = f"{chosen[option.site]} gains more"
        if reason is None and not abs(joint({**chosen, option.site: option.recipe})) <= budget:
            reason = "exceeds the budget together with the others"
        if reason is None:
            chosen[option.site] = option.recipe
            reason = "kept" if option.saved_us is not None else "within the budget; speed not measured"
        verdicts[option.site, option.recipe] = reason
    while chosen and not abs(verified(chosen)) <= budget:
        verdicts[chosen.popitem()] = "exceeds the budget on the requests that verify"
    measured = {(o.site, o.recipe) for o in options if o.saved_us is not None}
    kept = {site: recipe for site, recipe in chosen.items() if (site, recipe) in measured}
    return Selection(chosen, kept, joint(chosen), verified(chosen), verdicts)


def refusal(option: Option, budget: float) -> str | None:
    """Why the site cannot take the recipe whatever the others do; None if it can."""
    if not option.per_candidate:
        return "computed once per request: nothing to gain"
    if not option.isolated:
        return "one scale for all candidates: a score would depend on the others"
    if min(option.inputs, option.outputs) < NARROWEST:
        return f"narrower than {NARROWEST}"
    if not abs(option.change) <= budget:  # also for NaN
        return "exceeds the budget alone"
    if option.saved_us is not None and option.saved_us <= 0:
        return "not faster than bf16"
    return None
