"""Metrics of the agents. Prefix `solaris_agent_`, base units, no ids as labels; the help text is the documentation."""

from prometheus_client import Counter, Gauge, Histogram

from runtime.metrics import LATENCY_BUCKETS_S

BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)

records = Counter("solaris_agent_records", "Records whose effects are in, or that were dead-lettered.", ["topic"])
batches = Counter("solaris_agent_batches", "Batches that were finished.")
batch_records = Histogram("solaris_agent_batch_records", "Records in a batch.", buckets=BATCH_BUCKETS)
dead_letters = Counter("solaris_agent_dead_letters", "Records sent to the dead letters.", ["topic", "reason"])
passed_over = Counter(
    "solaris_agent_passed_over",
    "Records that failed here and whose topic another agent answers for: counted, not sent to the dead letters.",
    ["topic", "reason"],
)
retried_records = Counter("solaris_agent_retried_records", "Records tried alone because their batch failed.")
paused = Gauge(
    "solaris_agent_paused", "1 while the agent waits for what it needs and keeps its place, by reason.", ["reason"]
)
paused_seconds = Counter("solaris_agent_paused_seconds", "Time spent paused.", ["reason"])
decode_seconds = Counter("solaris_agent_decode_seconds", "Time spent decoding records.")
effect_seconds = Histogram(
    "solaris_agent_effect_seconds", "Time of a batch's effect: compute and store, pauses left out.",
    buckets=LATENCY_BUCKETS_S,
)  # fmt: skip
event_to_effect_seconds = Histogram(
    "solaris_agent_event_to_effect_seconds", "From a record's append time to its effect in the store.", ["topic"],
    buckets=LATENCY_BUCKETS_S,
)  # fmt: skip
watermark_age_seconds = Gauge(
    "solaris_agent_watermark_age_seconds", "Now minus the oldest watermark of the topic's own partitions.", ["topic"]
)
assigned_partitions = Gauge("solaris_agent_assigned_partitions", "Partitions that are ours now.", ["topic"])
effects = Counter(
    "solaris_agent_effects", "What the effects did, by kind: history_events, user_refreshes, items, pairs and so on.",
    ["kind"],
)  # fmt: skip
