"""Requests and answers of the HTTP interface; the OpenAPI page is made from these."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from inference.serving.settings import MAX_DEADLINE_MS
from streams.wire.events import MAX_CANDIDATES, Candidate, Context, Id, Label, ModelName

DeadlineMs = Annotated[
    int, Meta(ge=1, le=MAX_DEADLINE_MS, description="Milliseconds from the request's arrival to its answer.")
]
BoundedContext = Annotated[Context, Meta(max_length=64)]


class OfferedItem(Candidate, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One candidate: `retrieval_score` orders the answer if the model cannot, `bid` multiplies the score."""


class RankRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rank these candidates for this user. Unknown fields are refused: a misspelt deadline must not be ignored."""

    request_id: Id
    user_id: Id
    # The bounds are checked by `decode_rank`, since too many candidates are a 413 and not a 400.
    candidates: Annotated[list[OfferedItem], Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_CANDIDATES})]
    k: Annotated[int, Meta(ge=1, le=MAX_CANDIDATES, description="How many of the best to return.")]
    deadline_ms: DeadlineMs | None = None
    surface: Label | None = None
    context: BoundedContext | None = None
    model: ModelName | None = None
    experiment: Label | None = None
    explore: Annotated[
        bool,
        Meta(description="False: no slot by chance, whatever SOLARIS_RANKER_EXPLORE_SHARE says; for what nobody sees."),
    ] = True
    explain: bool = False


class PrepareRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Retrieval for this user has started: begin the user's side of the ranking."""

    request_id: Id
    user_id: Id
    surface: Label | None = None
    context: BoundedContext | None = None
    model: ModelName | None = None


class PrepareAnswer(Struct, frozen=True, kw_only=True):
    """The user's side is under way."""

    request_id: str
    user_id: str
    model: str
    version: str


class ItemFacts(Struct, frozen=True, kw_only=True):
    """With `explain`: what the model saw of one item."""

    row_norm: float
    pair_norm: float
    pair_rev: int
    pair_age_s: float
    bid: float | None
    retrieval_score: float | None


class RankedItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of the slate. The probabilities are null if the model did not score it (see `degraded`).

    `source` tells where the pair representation came from, `age_ms` and `as_of_ms` its age and newest event (null: it
    was computed before anything was known of the user); `item_source` and `item_age_ms` the same of the item's own row.
    `explored` is there, and true, if the item was drawn by chance: then the score says nothing of its place.
    """

    item_id: str
    score: float
    p_click: float | None
    p_conversion: float | None
    source: Literal["pair", "aggregate", "neighbour", "default"]
    age_ms: int | None
    as_of_ms: int | None
    item_source: Literal["row", "default"]
    item_age_ms: int | None
    explored: bool = False
    explain: ItemFacts | None = None


class RankedUser(Struct, frozen=True, kw_only=True):
    """Where the user's representation came from, its age, and the newest event it includes."""

    source: Literal["computed", "direct", "failover", "default"]
    age_ms: int | None
    as_of_ms: int | None


class SlateFacts(Struct, frozen=True, kw_only=True):
    """With `explain`: what the model saw of the request."""

    user_norm: float
    user_rev: int
    history_rev: int
    num_candidates: int
    num_item_rows: int
    tiers: dict[str, int]
    batch_requests: int
    batch_candidates: int
    conversion_weight: float


class RankAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The slate, best first but for the `explored` slots. `version` holds for all of it; `degraded` names every rung of
    the ladder it stands on."""

    request_id: str
    user_id: str
    model: str
    version: str
    variant: str
    items: list[RankedItem]
    user: RankedUser
    behind_ms: int | None
    degraded: list[str]
    stages_ms: dict[str, float]
    explain: SlateFacts | None = None
