import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.ids import MAX_ID_BYTES, NUM_BUCKETS, bucket_of, buckets_of, check_id
from runtime.logs import kv


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_ID_BYTES // 4))
def test_an_id_within_bounds_is_accepted_and_has_a_bucket(value: str) -> None:
    assert check_id("user_id", value) == value
    assert 0 <= bucket_of(value) < NUM_BUCKETS


@given(st.text(st.characters(min_codepoint=0x800, exclude_categories=["Cs"]), min_size=86, max_size=300))
def test_an_id_is_measured_in_bytes_not_in_characters(value: str) -> None:
    with pytest.raises(ValueError, match="user_id has"):
        check_id("user_id", value)


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="item_id is empty"):
        check_id("item_id", "")


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="not valid UTF-8"):
        check_id("user_id", "\ud800")


def test_the_bucket_of_an_id_is_fixed_for_ever() -> None:
    assert [bucket_of(value) for value in ("7", "user", "é")] == [2, 9, 62]
    assert buckets_of(["7", "user", "é"]) == [2, 9, 62]


def test_log_fields_are_quoted_where_needed() -> None:
    assert kv("paused", reason="redis", detail='a "b"\nc') == 'event="paused" reason=redis detail="a \\"b\\"\\nc"'
