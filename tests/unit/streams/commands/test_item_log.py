"""What the item topic says in the end, and what may be forgotten."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from runtime.ids import ItemId
from streams.agent.loop import AnyReceived
from streams.commands.item_log import ItemLog
from streams.wire.codec import Tombstone
from streams.wire.events import ItemUpdate
from streams.wire.partition import partition_of
from streams.wire.record import Received
from streams.wire.topics import DAY_MS, Topic

NOW_MS = 10 * DAY_MS
LAMP = ItemId("lamp")
OLD_MS, YOUNG_MS = NOW_MS - DAY_MS - 1, NOW_MS - DAY_MS


def record(offset: int, item: str = LAMP, *, deleted: bool = False, at_ms: int = OLD_MS) -> AnyReceived:
    event = Tombstone(ItemId(item)) if deleted else ItemUpdate(
        event_id=f"e{offset}", event_time_ms=0, item_id=item, features={"v": offset}
    )  # fmt: skip
    return Received(event, Topic.ITEM_UPDATES, 0, offset, at_ms)


def log_of(*records: AnyReceived, ends: Mapping[int, int] | None = None) -> ItemLog:
    item_log = ItemLog(ends or {0: 100}, NOW_MS)
    item_log.note(records)
    return item_log


def test_an_update_that_a_later_deletion_replaces_is_not_applied_on_the_way() -> None:
    update, other, deletion = record(1), record(2, "other"), record(3, deleted=True)
    item_log = log_of(update, other, deletion)
    assert item_log.newest([update]) == []
    assert item_log.newest([update, other, deletion]) == [other, deletion]


def test_a_deletion_is_forgotten_after_a_day_and_not_before() -> None:
    for at_ms, old in ((OLD_MS, True), (YOUNG_MS, False)):
        item_log = log_of(record(1), record(3, deleted=True, at_ms=at_ms))
        [change] = item_log.newest([record(3, deleted=True, at_ms=at_ms)])
        assert (item_log.is_old_deletion(change), item_log.may_forget(LAMP, 4)) == (old, old)


def test_a_deletion_that_compaction_has_removed_from_the_topic_is_old() -> None:
    assert log_of(record(1, "other")).may_forget(LAMP, 4)


def test_a_deletion_that_came_after_the_ends_is_kept() -> None:
    ends = dict.fromkeys(range(8), 10)
    item_log = log_of(ends=ends)
    assert item_log.may_forget(LAMP, 10)
    assert not item_log.may_forget(LAMP, 11)
    assert not log_of(ends=ends | {partition_of(LAMP, 8): 0}).may_forget(LAMP, 1)  # of another topic of this name


def test_an_item_that_came_back_after_its_deletion_is_no_deletion() -> None:
    item_log = log_of(record(1, deleted=True, at_ms=YOUNG_MS), record(2, at_ms=YOUNG_MS))
    assert item_log.newest([record(1, deleted=True, at_ms=YOUNG_MS), record(2, at_ms=YOUNG_MS)]) == [
        record(2, at_ms=YOUNG_MS)
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30), st.integers(1, 30))
def test_the_newest_records_lead_to_the_same_items_in_whatever_batches(
    steps: list[tuple[str, bool]], batch: int
) -> None:
    records = [record(offset, item, deleted=deleted) for offset, (item, deleted) in enumerate(steps)]
    item_log = log_of(*records)
    applied = [one for at in range(0, len(records), batch) for one in item_log.newest(records[at : at + batch])]
    assert {one.event.item_id: isinstance(one.event, Tombstone) for one in applied} == dict(steps)
    assert len(applied) == len(dict(steps))
