"""Whose fault a failing effect is: the rule alone, without any effect."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.ids import ItemId
from streams.agent.blame import SAMPLE, Blame, kind_of, sample
from streams.wire.codec import Tombstone
from streams.wire.events import Activity, ItemUpdate, Retrieval
from tests.unit.streams.agent.fakes import activity


@given(st.lists(st.sampled_from("abc"), max_size=200))
def test_a_sample_has_all_of_a_rare_kind_and_some_of_a_common_one(kinds: list[str]) -> None:
    places = sample(kinds)
    assert places == sorted(set(places))
    assert Counter(kinds[place] for place in places) == {k: min(n, SAMPLE) for k, n in Counter(kinds).items()}


def test_a_sample_is_spread_over_the_batch() -> None:
    places = sample(["a"] * 500)
    assert places == list(range(0, 500, 50))


def test_records_of_one_kind_do_the_same_thing() -> None:
    named = {
        kind_of("t", activity()), kind_of("t", activity(kind="impression")), kind_of("u", activity()),
        kind_of("t", Retrieval(event_id="e", event_time_ms=0, type="started", request_id="r", user_id="u")),
        kind_of("t", ItemUpdate(event_id="e", event_time_ms=0, item_id="i", features={})),
        kind_of("t", Tombstone(ItemId("i"))),
    }  # fmt: skip
    assert len(named) == 6
    assert kind_of("t", activity(user="u1")) == kind_of("t", activity(user="u2", item="other"))
    assert isinstance(activity(), Activity)


@pytest.mark.parametrize(
    ("failed", "succeeded", "fault"),
    [
        ({"a": SAMPLE}, set(), "a"),
        ({"a": SAMPLE - 1}, set(), None),
        ({"a": SAMPLE}, {"a"}, None),
        ({"a": SAMPLE}, {"b"}, "a"),  # another kind says nothing
        ({"a": 1, "b": SAMPLE}, {"a"}, "b"),
        ({}, {"a"}, None),
    ],
)
def test_the_effect_is_at_fault_when_a_whole_sample_of_a_kind_fails(
    failed: dict[str, int], succeeded: set[str], fault: str | None
) -> None:
    assert Blame().effect_fails(failed, succeeded) == fault


def test_failures_add_up_over_batches_until_one_succeeds() -> None:
    blame = Blame()
    for _ in range(SAMPLE - 1):
        assert blame.effect_fails({"a": 1}, ()) is None
        blame.settle({"a": 1}, ())
    assert blame.effect_fails({"a": 1}, ()) == "a"
    assert blame.effect_fails({"b": 1}, ()) is None
    blame.settle({}, ["b"])
    assert blame.effect_fails({"a": 1}, ()) == "a"
    blame.settle({"a": 3}, ["a"])  # some of a batch failed, and some did not
    assert blame.effect_fails({"a": SAMPLE - 1}, ()) is None
    assert not blame.suspects


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 30)), max_size=60))
def test_an_outage_never_buries_a_whole_sample_of_a_kind(batches: list[tuple[str, int]]) -> None:
    blame, buried = Blame(), Counter[str]()
    for kind, size in batches:
        failed = {kind: len(sample([kind] * size))}
        if blame.effect_fails(failed, ()) is None:
            assert failed[kind] == size, "what was not tried is not buried"
            blame.settle(failed, ())
            buried.update(failed)
    assert all(number < SAMPLE for number in buried.values())
