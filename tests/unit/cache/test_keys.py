"""Keys: different ids give different keys, and what belongs together shares a slot."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from cache import keys
from runtime.ids import MAX_ID_BYTES, ItemId, ModelVersion, UserId

RELEASE = ModelVersion("main", "20261121-093000-1a2b3c")
tricky = st.text(st.sampled_from("a{}~%:7E \u00e9\U0001f600\x00\r\n*?[]"), min_size=1, max_size=8)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40) | tricky
names = st.text(st.sampled_from("ab0.-"), min_size=1, max_size=4)
property_test = settings(max_examples=200, deadline=None, derandomize=True)


@property_test
@given(first=ids, second=ids)
def test_different_ids_are_encoded_differently_and_come_back(first: str, second: str) -> None:
    assert (keys.encoded(first) == keys.encoded(second)) == (first == second)
    assert keys.decoded(keys.encoded(first).encode()) == first


@property_test
@given(value=ids)
def test_encoded_ids_hold_nothing_that_means_something(value: str) -> None:
    assert keys.encoded(value).isascii()
    assert not set(keys.encoded(value)) & set("{}~: *?[]\r\n\x00")


@property_test
@given(user=ids.map(UserId))
def test_all_keys_of_a_user_share_a_slot(user: UserId) -> None:
    named = [keys.history(user), keys.events(user), keys.rev(user), keys.user_rows(user)]
    named += [keys.pair_rows(RELEASE, user), keys.pair_index(RELEASE, user)]
    assert len({key_slot(key.encode()) for key in named}) == 1
    assert len(set(named)) == len(named)


def test_all_keys_of_a_bucket_share_a_slot_and_buckets_spread() -> None:
    slots = set()
    for bucket in range(64):
        named = [keys.item_rows(RELEASE, bucket), keys.item_negative(RELEASE, bucket), keys.item_features(bucket)]
        assert len({key_slot(key.encode()) for key in named}) == 1
        slots.add(key_slot(named[0].encode()))
    assert len(slots) == 64


@property_test
@given(first=st.tuples(names, names, ids), second=st.tuples(names, names, ids))
def test_keys_of_different_releases_or_users_differ(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    made = [keys.pair_rows(ModelVersion(m, v), UserId(user)) for m, v, user in (first, second)]
    assert (made[0] == made[1]) == (first == second)


def test_keys_are_those_of_the_table() -> None:
    user = UserId("u{1}~")
    assert keys.history(user) == "solaris:history:{u%7B1%7D%7E}"
    assert keys.events(user) == "solaris:events:{u%7B1%7D%7E}"
    assert keys.rev(user) == "solaris:rev:{u%7B1%7D%7E}"
    assert keys.user_rows(user) == "solaris:user:{u%7B1%7D%7E}"
    assert keys.pair_rows(RELEASE, user) == "solaris:pair:main:20261121-093000-1a2b3c:{u%7B1%7D%7E}"
    assert keys.pair_index(RELEASE, user) == "solaris:pair-index:main:20261121-093000-1a2b3c:{u%7B1%7D%7E}"
    assert keys.item_rows(RELEASE, 7) == "solaris:item:main:20261121-093000-1a2b3c:{7}"
    assert keys.item_features(7) == "solaris:item-features:{7}"
    assert keys.item_field(ItemId("~")) == "%7E"
    assert keys.release("main") == "solaris:release:main"
    assert keys.ready(RELEASE) == "solaris:ready:main:20261121-093000-1a2b3c"
    assert keys.watermark("reco.user.activity.v1") == "solaris:watermark:reco.user.activity.v1"
    assert keys.active(7) == "solaris:active:{7}"
    assert keys.epoch(7) == "solaris:epoch:{7}"


@pytest.mark.parametrize("bad", ["", "x" * (MAX_ID_BYTES + 1), "\ud800"])
def test_ids_that_cannot_be_keys_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="id "):
        keys.encoded(bad)


@pytest.mark.parametrize("bad", ["", "Main", "a:b", "a b", "a\n", "\u0661"])
def test_names_that_would_break_a_key_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="does not match"):
        keys.ready(ModelVersion("main", bad))
    with pytest.raises(ValueError, match="does not match"):
        keys.release(bad)


@property_test
@given(items=st.lists(ids, max_size=20))
def test_fields_of_many_items_are_those_of_each(items: list[str]) -> None:
    assert list(keys.item_fields([ItemId(i) for i in items])) == [keys.item_field(ItemId(i)) for i in items]


def test_an_item_whose_id_looks_like_two_is_encoded() -> None:
    assert list(keys.item_fields([ItemId("a,b"), ItemId("c")])) == ["a%2Cb", "c"]
