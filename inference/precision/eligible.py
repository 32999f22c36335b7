"""Which linears of a ranker may run in FP8 whatever it costs them: by what they are and how often they run."""

import torch

from inference.models.ranker import Ranker
from inference.models.ranker_work import each_twice
from inference.precision.sites import linears, watched
from inference.protocol import RankInputs

NARROWEST = 16  # outputs and inputs of a site that the matrix units can do anything with in FP8


def eligible_sites(ranker: Ranker, inputs: RankInputs) -> list[str]:
    """Those that may; `inputs` are any batch that the ranker takes, on any device."""
    return [site for site, reason in ineligible(ranker, inputs).items() if reason is None]


def ineligible(ranker: Ranker, inputs: RankInputs) -> dict[str, str | None]:
    """Site -> why it may not, None where it may. KeyError for a linear that is not called."""
    grows = scales_with_candidates(ranker, inputs)

    def reason(site: str, linear: torch.nn.Linear) -> str | None:
        if not grows[site]:
            return "computed once per request: nothing to gain"
        if min(linear.in_features, linear.out_features) < NARROWEST:
            return f"narrower than {NARROWEST}"
        return None

    return {site: reason(site, linear) for site, linear in linears(ranker).items()}


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
