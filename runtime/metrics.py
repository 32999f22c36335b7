"""What the packages' `metrics.py` share: the registry, bucket edges, the exposition as a response."""

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

# Seconds; from a Redis round trip to an agent that has been paused for minutes.
LATENCY_BUCKETS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip


def exposition(registry: CollectorRegistry = REGISTRY) -> tuple[bytes, str]:
    """The body and the content type of a `/metrics` answer."""
    return generate_latest(registry), CONTENT_TYPE_LATEST
