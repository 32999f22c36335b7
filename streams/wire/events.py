"""The events on the topics: strict on what is required, deaf to what is unknown.

Every value is one JSON object. Times are integer milliseconds since the epoch; `event_time_ms` is when it happened,
`event_id` identifies it for ever (the first payload under an id stays). Golden files of every version are kept in
`tests/contract/golden/`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from runtime.ids import MAX_ID_BYTES

MAX_CANDIDATES = 10_000
MAX_TIME_MS = 1 << 52  # integers stay exact in Redis' Lua, which knows only doubles

# `check_id` bounds the bytes and says how many there are; the schema would only say that there are too many.
Id = Annotated[str, Meta(min_length=1, extra_json_schema={"maxLength": MAX_ID_BYTES})]
TimeMs = Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]
ModelName = Annotated[str, Meta(pattern=r"^[a-z0-9.-]+$", max_length=64)]
Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]  # JSON has no NaN; this keeps overflow to infinity out as well
Label = Annotated[str, Meta(min_length=1, max_length=64)]
Whole = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]  # what every JSON reader keeps exact
Rev = Annotated[int, Meta(ge=0, le=1 << 53)]
Context = dict[str, str | float | Whole | bool]
FeatureValue = str | float | Whole | list[str]

# Activity kinds that enter a behaviour history. Impressions are logged and trained on, but say nothing the user did.
HISTORY_KINDS = frozenset({"click", "conversion", "rating"})
# Kinds that answer a served slate and so must name the request and the position.
SLATE_KINDS = frozenset({"impression", "click", "conversion"})


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every value carries."""

    event_id: Id
    event_time_ms: TimeMs


class Candidate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item offered to a request."""

    item_id: Id
    retrieval_score: Finite | None = None
    bid: Annotated[float, Meta(ge=0, le=1e9)] | None = None


class Retrieval(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Retrieval for a request has started, or has completed with its candidates."""

    type: Literal["started", "completed"]
    request_id: Id
    user_id: Id
    surface: Label | None = None
    context: Context | None = None
    candidates: Annotated[list[Candidate], Meta(max_length=MAX_CANDIDATES)] | None = None

    def __post_init__(self) -> None:
        if self.type == "completed" and self.candidates is None:
            raise ValueError("candidates is required when type is completed")


class Activity(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Something the user did with an item, or was shown."""

    user_id: Id
    item_id: Id
    kind: Label
    value: Finite | None = None
    surface: Label | None = None
    context: Context | None = None
    request_id: Id | None = None
    position: Annotated[int, Meta(ge=0, le=MAX_CANDIDATES)] | None = None
    source_time_ms: Whole | None = None  # when it happened in the data a replay took it from

    def __post_init__(self) -> None:
        if self.kind in SLATE_KINDS and (self.request_id is None or self.position is None):
            raise ValueError(f"request_id and position are required when kind is {self.kind}")


class ItemUpdate(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The item's features as they are now, whole; a record with a null value deletes the item."""

    item_id: Id
    features: Annotated[dict[Label, FeatureValue], Meta(max_length=64)]


class RequestedPair(Struct, frozen=True, kw_only=True):
    """One pair wanted; `value` is what the speculation policy expects of having it."""

    item_id: Id
    value: Finite


class PairRequest(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Pairs of one user worth the foundation model, for one release, useless after `expires_ms`."""

    user_id: Id
    items: Annotated[list[RequestedPair], Meta(min_length=1, max_length=512)]
    rev: Rev
    model: ModelName
    version: ModelName
    expires_ms: TimeMs


class ServedItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of a slate as it was scored; position is None for the sampled ones that were not shown.

    `propensity` is that of standing in its slot given the slots before it, or, without a position, of being sampled.
    """

    item_id: Id
    score: float
    p_click: float
    p_conversion: float
    source: Literal["pair", "aggregate", "neighbour", "default"]
    age_ms: Whole | None
    rev: Rev
    position: Whole | None = None
    propensity: float | None = None
    explored: bool = False  # drawn by chance for its slot, not by the model
    retrieval_score: float | None = None
    bid: float | None = None
    vector: str | None = None  # base64 of the pair row, on the one slate in a hundred that is logged whole


class Slate(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What was served: the top k and a sample of the rest, with what is needed to train on it."""

    request_id: Id
    user_id: Id
    model: ModelName
    version: ModelName
    variant: Label
    user_source: Literal["computed", "direct", "failover", "default"]
    user_rev: Rev
    user_as_of_ms: Whole
    items: list[ServedItem]
    experiment: Label | None = None
    policy: Label | None = None
    surface: Label | None = None
    context: Context | None = None


class ItemMiss(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The ranker wanted the row of this item and did not find it."""

    item_id: Id
    model: ModelName
    version: ModelName


class UserMiss(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The ranker wanted the row of this user and did not find a fresh one."""

    user_id: Id
    model: ModelName
    version: ModelName


class ReleaseVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a model: where its bundle is, and when it was staged, went live and was replaced."""

    version: ModelName
    location: str
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    staged_ms: TimeMs | None = None
    live_ms: TimeMs | None = None
    replaced_ms: TimeMs | None = None


class ReleasesKept(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All versions of a model that are in use, by what they are used for."""

    live: ReleaseVersion | None = None
    staged: ReleaseVersion | None = None
    previous: ReleaseVersion | None = None


class ModelRelease(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One entry in the log of releases: a version became staged or live, or was retired.

    `kept` is the whole state after it, since the topic is compacted by model: its last record must say everything.
    """

    model: ModelName
    version: ModelName
    state: Literal["staged", "live", "retired"]
    location: str
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    kept: ReleasesKept | None = None  # none: written before there was this field
