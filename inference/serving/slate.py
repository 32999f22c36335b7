"""From scores to the answer: only the k items that are returned ever become objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.protocol import Tier
from inference.serving.engine import Scored
from inference.serving.explore import Slots, explore, greedy
from inference.serving.hydration import Hydration, UserSource
from inference.serving.schema import (
    ItemFacts,
    OfferedItem,
    RankedItem,
    RankedUser,
    RankRequest,
    SlateFacts,
)
from inference.serving.select import demoted, scores, top_k

TierName = Literal["pair", "aggregate", "neighbour", "default"]
TIER_NAMES: tuple[TierName, ...] = ("pair", "aggregate", "neighbour", "default")


@dataclass(frozen=True, slots=True)
class Selection:
    """Scores of all N candidates and who stands in the slots; `scored` None: in retrieval order."""

    score: NDArray[np.float64]
    slots: Slots
    scored: Scored | None


def select(
    request: RankRequest,
    item_ids: Sequence[str],
    scored: Scored,
    conversion_weight: float,
    known: NDArray[np.bool_],
    explore_share: float,
) -> Selection:
    """The slate by the model's probabilities, items that are gone last (`known` [N] false), and a share by chance."""
    score = scores(scored.p_click, scored.p_conversion, _bids(request.candidates), conversion_weight)
    ranked = top_k(demoted(score, known), item_ids, request.k)
    # With the user, since nothing keeps two users' requests from having the same id.
    seed = f"{request.user_id}\n{request.request_id}"
    return Selection(score, explore(ranked, item_ids, known, explore_share, seed), scored)


def select_by_retrieval(request: RankRequest, item_ids: Sequence[str]) -> Selection:
    """The slate without a model: by retrieval_score, 0 where there is none. Bids have no probability to multiply."""
    score = np.array([candidate.retrieval_score or 0.0 for candidate in request.candidates], np.float64)
    return Selection(score, greedy(top_k(score, item_ids, request.k)), None)


def ranked_user(hydration: Hydration) -> RankedUser:
    """The user's part of the answer."""
    user = hydration.user
    known = user.source is not UserSource.DEFAULT
    return RankedUser(
        source=user.source.value,
        age_ms=user.age_ms if known else None,
        as_of_ms=(user.as_of_ms or None) if known else None,  # 0: computed from an empty history
    )


def ranked_items(request: RankRequest, hydration: Hydration, selection: Selection) -> list[RankedItem]:
    """The chosen items with their probabilities and where their representations came from."""
    slots, scored = selection.slots, selection.scored
    chosen = np.array(slots.chosen, np.intp)
    nothing = [None] * len(chosen)
    facts = _item_facts(request, hydration, chosen) if request.explain else nothing
    columns = zip(
        slots.chosen,
        slots.explored,
        selection.score[chosen].tolist(),
        scored.p_click[chosen].tolist() if scored else nothing,
        scored.p_conversion[chosen].tolist() if scored else nothing,
        hydration.tier[chosen].tolist(),
        hydration.pair_age_ms[chosen].tolist(),
        hydration.pair_as_of_ms[chosen].tolist(),
        hydration.cand_mask[chosen].tolist(),
        hydration.item_age_ms[chosen].tolist(),
        facts,
        strict=True,
    )
    return [
        RankedItem(
            item_id=request.candidates[index].item_id,
            score=score,
            p_click=p_click,
            p_conversion=p_conversion,
            source=TIER_NAMES[tier],
            age_ms=None if tier == Tier.DEFAULT else age_ms,
            as_of_ms=None if tier == Tier.DEFAULT else as_of_ms or None,
            item_source="row" if has_row else "default",
            item_age_ms=item_age_ms if has_row else None,
            explored=explored,
            explain=fact,
        )
        for index, explored, score, p_click, p_conversion, tier, age_ms, as_of_ms, has_row, item_age_ms, fact in columns
    ]


def slate_facts(hydration: Hydration, scored: Scored | None, conversion_weight: float) -> SlateFacts:
    """What the model saw of the request."""
    values, tiers = hydration.user.values, np.bincount(hydration.tier, minlength=len(Tier)).tolist()
    return SlateFacts(
        user_norm=0.0 if values is None else float(np.linalg.norm(values)),
        user_rev=hydration.user.rev,
        history_rev=hydration.history_rev,
        num_candidates=len(hydration.tier),
        num_item_rows=int(hydration.cand_mask.sum()),
        tiers=dict(zip(TIER_NAMES, tiers, strict=True)),
        batch_requests=scored.batch_requests if scored else 0,
        batch_candidates=scored.batch_candidates if scored else 0,
        conversion_weight=conversion_weight,
    )


def _item_facts(request: RankRequest, hydration: Hydration, chosen: NDArray[np.intp]) -> list[ItemFacts]:
    columns = zip(
        chosen.tolist(),
        np.linalg.norm(hydration.cand.take(chosen).values(), axis=1).tolist(),
        np.linalg.norm(hydration.pair.take(chosen).values(), axis=1).tolist(),
        hydration.pair_rev[chosen].tolist(),
        (hydration.pair_age_ms[chosen] / 1000).tolist(),
        strict=True,
    )
    return [
        ItemFacts(
            row_norm=row_norm,
            pair_norm=pair_norm,
            pair_rev=pair_rev,
            pair_age_s=pair_age_s,
            bid=request.candidates[index].bid,
            retrieval_score=request.candidates[index].retrieval_score,
        )
        for index, row_norm, pair_norm, pair_rev, pair_age_s in columns
    ]


def _bids(candidates: Sequence[OfferedItem]) -> NDArray[np.float64]:
    """[N], NaN where there is none."""
    return np.array([nan if candidate.bid is None else candidate.bid for candidate in candidates], np.float64)
