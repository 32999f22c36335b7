"""The topics of Solaris: one table, from which they are created, checked and documented."""

from dataclasses import dataclass
from enum import StrEnum

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DEAD_LETTER_SUFFIX = ".dlq"
MAX_RECORD_BYTES = 4_194_304  # 10,000 candidates with the longest ids; the broker's default of 1 MiB refuses them
HISTORY_WINDOW_DAYS = 30  # how far back a history can be rebuilt from the log


class Topic(StrEnum):
    """Names: `<domain>.<entity>.<event>.v<major>`. A breaking change is a new version, never an edit."""

    RETRIEVAL_EVENTS = "reco.retrieval.events.v1"
    USER_ACTIVITY = "reco.user.activity.v1"
    ITEM_UPDATES = "reco.item.updates.v1"
    PAIR_REQUESTS = "reco.pair.requests.v1"
    SLATES_SERVED = "reco.slates.served.v1"
    ITEM_MISSES = "reco.item.misses.v1"
    USER_MISSES = "reco.user.misses.v1"
    MODEL_RELEASES = "reco.model.releases.v1"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How one topic is created; `retention_ms` None means compacted, kept for ever."""

    name: str
    num_partitions: int
    retention_ms: int | None
    key: str

    @property
    def config(self) -> dict[str, str]:
        """Broker settings of the topic; append time, since producers' stamps let retention delete live records."""
        config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(MAX_RECORD_BYTES)}
        if self.retention_ms is None:
            # A deletion stays for a day after compaction, so that whoever reads the whole topic in that time sees it.
            return config | {"cleanup.policy": "compact", "delete.retention.ms": str(DAY_MS)}
        return config | {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


def _specs() -> dict[str, TopicSpec]:
    sources = [
        TopicSpec(Topic.RETRIEVAL_EVENTS.value, 8, DAY_MS, "user id"),
        TopicSpec(Topic.USER_ACTIVITY.value, 8, HISTORY_WINDOW_DAYS * DAY_MS, "user id"),
        TopicSpec(Topic.ITEM_UPDATES.value, 8, None, "item id"),
        TopicSpec(Topic.PAIR_REQUESTS.value, 8, HOUR_MS, "user id"),
        TopicSpec(Topic.SLATES_SERVED.value, 8, 7 * DAY_MS, "user id"),
        TopicSpec(Topic.ITEM_MISSES.value, 8, HOUR_MS, "item id"),
        TopicSpec(Topic.USER_MISSES.value, 8, HOUR_MS, "user id"),
        TopicSpec(Topic.MODEL_RELEASES.value, 1, None, "model name"),
    ]
    dead = [TopicSpec(s.name + DEAD_LETTER_SUFFIX, 1, 14 * DAY_MS, "original key") for s in sources]
    return {spec.name: spec for spec in sources + dead}


TOPICS: dict[str, TopicSpec] = _specs()


def dead_letter_topic(topic: str) -> str:
    """Where records of `topic` go that cannot be processed."""
    return topic + DEAD_LETTER_SUFFIX
