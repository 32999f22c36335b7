"""The degradation ladder: what is answered when something is missing. One table; each rung has its own test.

A rung's label stands in the answer's `degraded` and in `solaris_ranker_degraded_total{reason}`. Rungs that refuse are
the error's type and `solaris_ranker_requests_total{outcome}` instead.
"""

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What the caller gets on a rung."""

    SCORED = "scored by the model, with less than it should know"
    RETRIEVAL_ORDER = "in the order of retrieval_score, no probabilities"
    REFUSED = "an error"


class Reason(StrEnum):
    """Labels of the rungs."""

    BEHIND = "behind"
    WATERMARK_MISSING = "watermark-missing"
    RELEASE_STALE = "release-stale"
    ITEMS_MISSING = "items-missing"
    ROWS_CORRUPT = "rows-corrupt"
    USER_FAILOVER = "user-failover"
    USER_DEFAULT = "user-default"
    STORE_UNAVAILABLE = "store-unavailable"
    HYDRATE_LATE = "hydrate-late"
    SCORE_LATE = "score-late"
    SCORE_FAILED = "score-failed"
    OVERLOADED = "overloaded"
    NOT_READY = "not_ready"
    PAST_DEADLINE = "past_deadline"


@dataclass(frozen=True, slots=True)
class Rung:
    """When it is stood on, and what is answered there."""

    reason: Reason
    when: str
    answer: Answer


LADDER: tuple[Rung, ...] = (
    Rung(Reason.BEHIND, "the agents are further behind than SOLARIS_RANKER_MAX_BEHIND_MS", Answer.SCORED),
    Rung(Reason.WATERMARK_MISSING, "a partition has no watermark: behind_ms is null", Answer.SCORED),
    Rung(Reason.RELEASE_STALE, "the live release cannot be loaded or read: the last known serves", Answer.SCORED),
    Rung(Reason.ITEMS_MISSING, "candidates have no row: their item_source is default", Answer.SCORED),
    Rung(Reason.ROWS_CORRUPT, "rows fail their checksum: they count as missing", Answer.SCORED),
    Rung(
        Reason.USER_FAILOVER,
        "the user tower failed, was late or has too many waiting: an older row serves",
        Answer.SCORED,
    ),
    Rung(Reason.USER_DEFAULT, "the same without an older row: the learned default user serves", Answer.SCORED),
    Rung(Reason.STORE_UNAVAILABLE, "the store cannot be asked", Answer.RETRIEVAL_ORDER),
    Rung(Reason.HYDRATE_LATE, "the store did not answer within the deadline", Answer.RETRIEVAL_ORDER),
    Rung(Reason.SCORE_LATE, "the model did not answer within the deadline", Answer.RETRIEVAL_ORDER),
    Rung(Reason.SCORE_FAILED, "the model raised, or its scores are not finite", Answer.RETRIEVAL_ORDER),
    Rung(Reason.OVERLOADED, "the backlog would make it late: 429", Answer.REFUSED),
    Rung(Reason.NOT_READY, "no release is loaded: 503", Answer.REFUSED),
    Rung(Reason.PAST_DEADLINE, "not even the retrieval order was in time: 504", Answer.REFUSED),
)
