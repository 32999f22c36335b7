"""The choice of sites: pure, from what was measured to what is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from inference.precision.timing import PassTimes

BUDGET = 2e-4  # relative change of the log loss by all sites together: 0.02 % is what ads teams call a difference
LEAST_BOUND = 1e-7  # bounds below it are equal: what decides between them is the gain

Joint = Callable[[Mapping[str, str]], float]  # recipe of each site, the others in bf16 -> bound of what they change


@dataclass(frozen=True, slots=True)
class Option:
    """One site under one recipe."""

    site: str
    recipe: str
    ineligible: str | None  # why the site may not run in FP8 at all
    isolated: bool  # what comes of a row depends on no other row
    work: int  # multiplications of a row
    bound: float  # of what this site alone changes in this recipe, the others in float32
    saved_us: float | None  # against bf16, quantisation included; None where it was not measured

    @property
    def gain(self) -> float:
        """Time saved where it is known, else the work that is moved."""
        return float(self.work) if self.saved_us is None else self.saved_us


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen."""

    chosen: dict[str, str]  # site -> recipe
    verdicts: dict[tuple[str, str], str]  # (site, recipe) -> why


def select(options: Sequence[Option], joint: Joint, verified: Joint, budget: float = BUDGET) -> Selection:
    """Greedy: the most gain per change first, each added only if all together stay within the budget.

    Errors do not add up, so `joint` is asked again with every site; and as a choice fits the requests it was made on,
    `verified` is asked on others, and the sites chosen last are given up until it agrees: so a choice fits those as
    well, and what it costs is to be measured on further ones. Where bf16 alone exceeds the budget nothing is chosen:
    FP8 that brings it back does so by accident.
    """
    chosen: dict[str, str] = {}
    refused = {(option.site, option.recipe): refusal(option, budget) for option in options}
    verdicts = {pair: reason for pair, reason in refused.items() if reason is not None}
    possible = [option for option in options if refused[option.site, option.recipe] is None]  # no NaN to be sorted
    if not all(bound({}) <= budget for bound in (joint, verified)):
        verdicts |= {(option.site, option.recipe): "bf16 alone exceeds the budget" for option in possible}
        possible = []
    for option in sorted(possible, key=lambda o: (-o.gain / max(o.bound, LEAST_BOUND), o.site, o.recipe)):
        reason = None
        if option.site in chosen:
            reason = f"{chosen[option.site]} gains more"
        if reason is None and not joint({**chosen, option.site: option.recipe}) <= budget:
            reason = "exceeds the budget together with the others"
        if reason is None:
            chosen[option.site] = option.recipe
            reason = "chosen" if option.saved_us is not None else "chosen; speed not measured"
        verdicts[option.site, option.recipe] = reason
    while chosen and not verified(chosen) <= budget:
        verdicts[chosen.popitem()] = "exceeds the budget on the requests that verify"
    return Selection(chosen, verdicts)


def refusal(option: Option, budget: float) -> str | None:
    """Why the site cannot take the recipe whatever the others do; None if it can."""
    if option.ineligible is not None:
        return option.ineligible
    if not option.isolated:
        return "one scale for all candidates: a score would depend on the others"
    if not option.bound <= budget:  # also for NaN
        return "exceeds the budget alone"
    if option.saved_us is not None and option.saved_us <= 0:
        return "not faster than bf16"
    return None


def not_kept(chosen: Mapping[str, str], bound: float, budget: float, whole_pass: PassTimes | None) -> str | None:
    """Why nothing of a choice is kept, None if all of it is.

    `bound` is of what it changes on requests that had no part in it; linears that are faster one by one need not make a
    faster pass.
    """
    if not chosen:
        return "nothing was chosen"
    if not bound <= budget:
        return "exceeds the budget on requests that had no part in the choice"
    if whole_pass is None:
        return "speed not measured"
    if not whole_pass.us < whole_pass.bf16_us:
        return "the whole pass is not faster than in bf16"
    return None
