"""The batch loop: what it keeps, what it buries, when it waits, and that nothing leaves it."""

import asyncio

import pytest

from cache.store import StoreUnavailable
from streams.agent import metrics
from streams.agent.exits import Exit
from streams.agent.loop import NotReady
from streams.agent.progress import Done, Partition, Progress
from streams.wire.producer import ProducerFailed, ProducerFull
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
    assert effects.applied == [0, 2]
    assert effects.calls == [[0, 1, 2], [0], [1], [2]]
    assert [sent[3]["reason"] for sent in letters.sent] == [b"effect-failed"]
    assert letters.sent[0][3]["offset"] == b"1"


async def test_an_effect_that_fails_once_is_applied_at_the_second_try() -> None:
    errors = [RuntimeError("passing")]
    effects, letters = Effects(lambda _: errors.pop() if errors else None), Letters()
    await make_loop(effects, letters).process([record(0, activity())])
    assert effects.applied == [0]
    assert letters.sent == []


async def test_an_effect_that_fails_for_every_record_is_waited_for_and_buries_none() -> None:
    progress, broken = Progress(), [True]
    seen: list[str | None] = []

    def fail(_: object) -> Exception | None:
        seen.append(progress.paused)
        broken[0] = len(seen) < 5
        return TypeError("a fault of ours") if broken[0] else None

    effects, letters = Effects(fail), Letters()
    await make_loop(effects, letters, progress=progress).process([record(i, activity()) for i in range(2)])
    assert effects.calls == [[0, 1], [0], [1], [0, 1], [0], [1]]
    assert seen == [None] * 3 + ["effect"] * 3
    assert effects.applied == [0, 1]
    assert (letters.sent, progress.paused) == ([], None)


async def test_told_to_stop_while_every_record_fails_it_ends_uncommitted() -> None:
    effects, letters, progress = Effects(lambda _: TypeError("a fault of ours")), Letters(), Progress()
    loop = make_loop(effects, letters, progress=progress, stopping=lambda: len(effects.calls) > 2)
    with pytest.raises(Ended) as ended:
        await loop.process([record(i, activity()) for i in range(2)])
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
