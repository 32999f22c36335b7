import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.ids import MAX_ID_BYTES, NUM_BUCKETS, bucket_of, check_id
from runtime.logs import kv


@given(st.text(min_size=1, max_size=300))
def test_an_id_is_accepted_or_refused_with_its_field(value: str) -> None:
    try:
        assert check_id("user_id", value) == value
        assert len(value.encode()) <= MAX_ID_BYTES
        assert 0 <= bucket_of(value) < NUM_BUCKETS
    except ValueError as error:
        assert "user_id" in str(error)


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="item_id is empty"):
        check_id("item_id", "")


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="not valid UTF-8"):
        check_id("user_id", "\ud800")


def test_the_bucket_of_an_id_is_fixed_for_ever() -> None:
    assert [bucket_of(value) for value in ("7", "user", "é")] == [2, 9, 62]


def test_log_fields_are_quoted_where_needed() -> None:
    assert kv("paused", reason="redis", detail='a "b"\nc') == 'event="paused" reason=redis detail="a \\"b\\"\\nc"'
