"""The smallest shape that holds a batch."""

import pytest

from inference.forward.buckets import CANDIDATES, REQUESTS, Bucket, all_buckets, bucket_for


@pytest.mark.parametrize(
    ("candidates", "requests", "expected"),
    [(1, 1, (128, 1)), (128, 1, (128, 1)), (129, 1, (256, 1)), (500, 2, (512, 4)), (16_384, 64, (16_384, 64))],
)
def test_a_batch_goes_into_the_smallest_bucket_that_holds_it(
    candidates: int, requests: int, expected: tuple[int, int]
) -> None:
    assert bucket_for(candidates, requests) == Bucket(*expected)


@pytest.mark.parametrize(("candidates", "requests"), [(CANDIDATES[-1] + 1, 1), (1, REQUESTS[-1] + 1)])
def test_what_is_larger_than_all_has_no_bucket(candidates: int, requests: int) -> None:
    assert bucket_for(candidates, requests) is None


def test_every_bucket_is_among_all() -> None:
    assert len(set(all_buckets())) == len(CANDIDATES) * len(REQUESTS)
    assert bucket_for(500, 5) in all_buckets()


def test_a_bucket_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 candidates of 1 requests"):
        Bucket(0, 1)
