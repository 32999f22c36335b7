"""The batch loop: what it keeps, what it buries, when it waits, and that nothing leaves it."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from cache.store import StoreUnavailable
from streams.agent import metrics
from streams.agent.blame import SAMPLE
from streams.agent.exits import Exit
from streams.agent.loop import AnyReceived, BatchLoop, NotReady
from streams.agent.progress import Done, Partition, Progress
from streams.wire.events import Activity
from streams.wire.producer import ProducerFailed, ProducerFull
from streams.wire.record import Record
from streams.wire.topics import MAX_RECORD_BYTES, Topic, dead_letter_topic
from tests.unit.streams.agent.fakes import NOW_MS, Effects, Ended, Letters, activity, make_loop, record

TOPIC = Topic.USER_ACTIVITY.value


async def test_a_batch_is_applied_once_and_then_known_as_done() -> None:
    effects, progress = Effects(), Progress()
    await make_loop(effects, Letters(), progress=progress).process([record(i, activity()) for i in range(3)])
    assert effects.calls == [[0, 1, 2]]
    assert progress.done == {Partition(TOPIC, 0): Done(2, NOW_MS)}


async def test_what_is_not_an_event_is_buried_as_it_was_and_the_rest_is_applied() -> None:
    effects, letters = Effects(), Letters()
    bad = record(1, b"\xff not json", key=b"u1")
    await make_loop(effects, letters).process([record(0, activity()), bad, record(2, activity())])
    assert effects.applied == [0, 2]
    [(topic, key, value, headers)] = letters.sent
    assert (topic, key, value) == (dead_letter_topic(TOPIC), b"u1", b"\xff not json")
    assert {name: headers[name] for name in ("reason", "group", "topic", "partition", "offset", "ce_id")} == {
        "reason": b"not-json", "group": b"solaris.test", "topic": TOPIC.encode(), "partition": b"0", "offset": b"1",
        "ce_id": b"x",
    }  # fmt: skip


async def test_what_another_group_answers_for_is_counted_and_not_buried() -> None:
    effects, letters, progress = Effects(), Letters(), Progress()
    counters = metrics.dead_letters.labels(TOPIC, "not-json"), metrics.passed_over.labels(TOPIC, "not-json")
    before = [counter._value.get() for counter in counters]
    loop = make_loop(effects, letters, progress=progress, answers_for=(Topic.SLATES_SERVED.value,))
    await loop.process([record(0, activity()), record(1, b"\xff not json")])
    assert [counter._value.get() - old for counter, old in zip(counters, before, strict=True)] == [0, 1]
    assert (effects.applied, letters.sent) == ([0], [])
    assert progress.done == {Partition(TOPIC, 0): Done(1, NOW_MS)}


async def test_a_record_whose_effect_fails_twice_is_buried_alone() -> None:
    effects = Effects(lambda received: ValueError("bad") if any(one.offset == 1 for one in received) else None)
    letters = Letters()
    await make_loop(effects, letters).process([record(i, activity()) for i in range(3)])
    assert set(effects.applied) == {0, 2}
    assert effects.calls == [[0, 1, 2], [0], [1], [2], [0]]  # the last: it works all the same
    assert [sent[3]["reason"] for sent in letters.sent] == [b"effect-failed"]
    assert letters.sent[0][3]["offset"] == b"1"


async def test_an_effect_that_fails_once_is_applied_at_the_second_try() -> None:
    errors = [RuntimeError("passing")]
    effects, letters = Effects(lambda _: errors.pop() if errors else None), Letters()
    await make_loop(effects, letters).process([record(0, activity())])
    assert effects.applied == [0]
    assert letters.sent == []


async def test_a_batch_of_records_that_each_fail_buries_them_and_does_not_stop_the_partition() -> None:
    """None of the two says that the effect works; they are too few to say that it does not."""
    effects, letters, progress = Effects(_fail_for({0, 1})), Letters(), Progress()
    loop = make_loop(effects, letters, progress=progress)
    await loop.process([record(i, activity()) for i in range(2)])
    await loop.process([record(i, activity()) for i in range(2, 4)])
    assert [sent[3]["offset"] for sent in letters.sent] == [b"0", b"1"]
    assert {sent[3]["detail"] for sent in letters.sent} == {b"ValueError('poison')"}
    assert effects.applied == [2, 3]
    assert (progress.done[Partition(TOPIC, 0)].offset, progress.paused) == (3, None)


@pytest.mark.parametrize("poison", [{0}, {499}, set(range(20)), set(range(0, 500, 3)), set(range(480, 500))])
async def test_those_at_fault_are_found_among_many_and_all_others_are_applied(poison: set[int]) -> None:
    effects, letters, progress = Effects(_fail_for(poison)), Letters(), Progress()
    await make_loop(effects, letters, progress=progress).process([record(i, activity()) for i in range(500)])
    assert sorted(int(sent[3]["offset"] or b"") for sent in letters.sent) == sorted(poison)
    assert set(effects.applied) == set(range(500)) - poison
    assert progress.done == {Partition(TOPIC, 0): Done(499, NOW_MS)}
    assert progress.num_beats > len(effects.calls)


async def test_one_among_many_is_found_in_few_attempts() -> None:
    effects = Effects(_fail_for({123}))
    await make_loop(effects, Letters()).process([record(i, activity()) for i in range(500)])
    assert len(effects.calls) < 40  # the batch, ten of the sample, 490 halved nine times, the last look


@pytest.mark.parametrize("num_records", [SAMPLE, 500])
async def test_an_effect_that_fails_for_every_record_is_waited_for_and_buries_none(num_records: int) -> None:
    progress, broken = Progress(), [True]
    seen: list[str | None] = []

    def fail(_: object) -> Exception | None:
        seen.append(progress.paused)
        broken[0] = len(seen) < 2 * (1 + SAMPLE)
        return TypeError("a fault of ours") if broken[0] else None

    effects, letters = Effects(fail), Letters()
    await make_loop(effects, letters, progress=progress).process([record(i, activity()) for i in range(num_records)])
    assert seen[: 2 * (1 + SAMPLE)] == [None] * (1 + SAMPLE) + ["effect"] * (1 + SAMPLE)
    assert [len(call) for call in effects.calls[: 1 + SAMPLE]] == [num_records] + [1] * SAMPLE
    assert set(effects.applied) >= {num_records - num_records // SAMPLE}
    assert progress.paused is None
    assert progress.done == {Partition(TOPIC, 0): Done(num_records - 1, NOW_MS)}


async def test_an_outage_that_nobody_recognises_buries_less_than_a_sample_however_small_the_batches() -> None:
    effects, letters, progress = Effects(lambda _: TypeError("an outage")), Letters(), Progress()
    loop = make_loop(effects, letters, progress=progress, stopping=lambda: progress.paused is not None)
    with pytest.raises(Ended):
        await _process_one_by_one(loop, 10 * SAMPLE)
    assert len(letters.sent) == SAMPLE - 1
    assert progress.done[Partition(TOPIC, 0)].offset == SAMPLE - 2


async def test_what_works_for_impressions_does_not_let_all_clicks_be_buried() -> None:
    def clicks_fail(received: Sequence[AnyReceived]) -> Exception | None:
        clicked = any(isinstance(one.event, Activity) and one.event.kind == "click" for one in received)
        return TypeError("a fault of ours") if clicked else None

    letters, progress = Letters(), Progress()
    loop = make_loop(Effects(clicks_fail), letters, progress=progress, stopping=lambda: progress.paused == "effect")
    with pytest.raises(Ended):
        await loop.process([record(i, activity(kind="click" if i % 2 else "impression")) for i in range(4 * SAMPLE)])
    assert letters.sent == []


async def test_an_outage_that_begins_while_they_are_tried_alone_buries_none() -> None:
    """One is at fault, the others fail from the middle of the search on, for ever."""
    effects, letters, progress = Effects(), Letters(), Progress()
    effects.fail = lambda received: (
        ValueError("poison") if len(effects.calls) > 15 or any(one.offset == 3 for one in received) else None
    )
    loop = make_loop(effects, letters, progress=progress, stopping=lambda: progress.paused is not None)
    with pytest.raises(Ended) as ended:
        await loop.process([record(i, activity()) for i in range(100)])
    assert (ended.value.status, letters.sent, progress.done) == (Exit.UNFINISHED, [], {})


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
async def test_what_the_machine_lacks_is_waited_for_and_never_the_records_fault(error: Exception) -> None:
    errors, letters, progress = [error] * 3, Letters(), Progress()
    seen: list[str | None] = []

    def fail(_: object) -> Exception | None:
        seen.append(progress.paused)
        return errors.pop() if errors else None

    await make_loop(Effects(fail), letters, progress=progress).process([record(0, activity())])
    assert seen == [None, "machine", "machine", "machine"]
    assert letters.sent == []


async def test_told_to_stop_while_every_record_fails_it_ends_uncommitted() -> None:
    effects, letters, progress = Effects(lambda _: TypeError("a fault of ours")), Letters(), Progress()
    loop = make_loop(effects, letters, progress=progress, stopping=lambda: len(effects.calls) > SAMPLE)
    with pytest.raises(Ended) as ended:
        await loop.process([record(i, activity()) for i in range(SAMPLE)])
    assert ended.value.status == Exit.UNFINISHED
    assert (letters.sent, progress.done) == ([], {})


async def test_a_record_that_comes_alone_and_fails_twice_is_buried() -> None:
    effects, letters = Effects(lambda _: ValueError("bad")), Letters()
    await make_loop(effects, letters).process([record(0, activity())])
    assert effects.calls == [[0], [0]]
    assert [sent[3]["reason"] for sent in letters.sent] == [b"effect-failed"]


@pytest.mark.parametrize("error", [StoreUnavailable("connection"), NotReady("release", "loading")])
async def test_while_the_store_is_away_it_waits_and_beats_and_keeps_its_place(error: Exception) -> None:
    progress, errors = Progress(), [error] * 3
    seen: list[tuple[str | None, float, dict[Partition, Done]]] = []

    def fail(_: object) -> Exception | None:
        reason = progress.paused
        seen.append((reason, metrics.paused.labels(reason)._value.get() if reason else 0, progress.done))
        return errors.pop() if errors else None

    effects = Effects(fail)
    await make_loop(effects, Letters(), progress=progress).process([record(0, activity())])
    reason = getattr(error, "reason")  # noqa: B009
    assert seen == [(None, 0, {})] + [(reason, 1.0, {})] * 3
    assert progress.paused is None
    assert metrics.paused.labels(reason)._value.get() == 0
    assert progress.num_beats >= 5
    assert effects.applied == [0]


async def test_told_to_stop_while_it_waits_it_ends_uncommitted() -> None:
    effects = Effects(lambda _: StoreUnavailable("timeout"))
    progress = Progress()
    loop = make_loop(effects, Letters(), progress=progress, stopping=lambda: len(effects.calls) > 1)
    with pytest.raises(Ended) as ended:
        await loop.process([record(0, activity())])
    assert ended.value.status == Exit.UNFINISHED
    assert progress.done == {}


@pytest.mark.parametrize("error", [ProducerFull("full"), TimeoutError()])
async def test_a_broker_that_is_away_delays_dead_letters_and_drops_none(error: Exception) -> None:
    letters = Letters([error, error])
    await make_loop(Effects(), letters).process([record(0, b"{}")])
    assert [sent[3]["reason"] for sent in letters.sent] == [b"missing-field"]


async def test_a_dead_letter_that_cannot_be_sent_ends_the_process() -> None:
    progress = Progress()
    with pytest.raises(Ended) as ended:
        await make_loop(Effects(), Letters([ProducerFailed("no rights")]), progress=progress).process([record(0, None)])
    assert ended.value.status == Exit.FAILED
    assert progress.done == {}


async def test_a_cancellation_inside_the_body_ends_the_process_instead_of_committing() -> None:
    started = asyncio.Event()

    async def hang(_: object) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(make_loop(hang, Letters()).process([record(0, activity())]))
    await started.wait()
    task.cancel()
    with pytest.raises(Ended) as ended:
        await task
    assert ended.value.status == Exit.FAILED


async def test_a_dead_letter_of_the_largest_size_leaves_room_for_its_headers() -> None:
    letters = Letters()
    await make_loop(Effects(), letters).process([record(0, b"x" * MAX_RECORD_BYTES)])
    [(_, _, value, headers)] = letters.sent
    assert value is not None
    assert len(value) < MAX_RECORD_BYTES - 4096
    assert headers["original_bytes"] == str(MAX_RECORD_BYTES).encode()


def _fail_for(offsets: set[int]) -> Callable[[Sequence[AnyReceived]], Exception | None]:
    return lambda received: ValueError("poison") if any(one.offset in offsets for one in received) else None


async def _process_one_by_one(loop: BatchLoop[Record], num_records: int) -> None:
    for offset in range(num_records):
        await loop.process([record(offset, activity())])
