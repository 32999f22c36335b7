"""The shapes for which the forward pass is captured: a batch is padded to the smallest that holds it.

The history is not a third dimension: its T summary tokens are fixed by the release.
"""

from dataclasses import dataclass

CANDIDATES = (128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
REQUESTS = (1, 4, 16, 64)


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """Capacity: N candidates of B requests."""

    candidates: int
    requests: int

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.requests < 1:
            raise ValueError(f"a bucket of {self.candidates} candidates of {self.requests} requests holds nothing")


def all_buckets() -> list[Bucket]:
    """Every bucket there is, the smallest first."""
    return [Bucket(candidates, requests) for candidates in CANDIDATES for requests in REQUESTS]


def bucket_for(num_candidates: int, num_requests: int) -> Bucket | None:
    """The smallest bucket that holds the batch, None if it is larger than all: such a batch runs as it is."""
    candidates = next((size for size in CANDIDATES if size >= num_candidates), None)
    requests = next((size for size in REQUESTS if size >= num_requests), None)
    return None if candidates is None or requests is None else Bucket(candidates, requests)


def exact_bucket(num_candidates: int, num_requests: int) -> Bucket:
    """A bucket without padding, for a batch that fits no other."""
    return Bucket(max(num_candidates, 1), max(num_requests, 1))
