"""What only the twin in memory can show: time that moves as the test says."""

import numpy as np
import pytest

from cache.limits import MAX_HISTORY_LENGTH
from cache.memory import MemoryStore
from cache.row import RowKind, encode_rows, times_of
from cache.store import PairWrite, UserRowWrite
from runtime.clock import ManualClock
from runtime.ids import ItemId, ModelVersion, UserId

RELEASE = ModelVersion("main", "v1")
ALICE, LAMP, SOFA = UserId("alice"), ItemId("lamp"), ItemId("sofa")
HOUR_MS = 3_600_000


def row(kind: RowKind) -> bytes:
    return encode_rows(kind, RELEASE, np.ones((1, 2), np.float32), rev=[1], as_of_ms=[1])[0]


async def test_rows_carry_the_time_of_the_clock_and_end_with_it() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await store.write_user_rows([UserRowWrite(ALICE, {RELEASE: row(RowKind.USER)})], [RELEASE], HOUR_MS)
    [found] = await store.read_user_rows(RELEASE, [ALICE])
    assert found is not None
    assert times_of(found) == (clock.now_ms(), clock.now_ms() + HOUR_MS)
    clock.advance(3599.999)
    assert await store.read_user_rows(RELEASE, [ALICE]) == [found]
    clock.advance(0.001)
    assert await store.read_user_rows(RELEASE, [ALICE]) == [None]


async def test_pairs_and_their_aggregate_end_with_the_clock() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await store.write_pairs(RELEASE, [PairWrite(ALICE, {LAMP: row(RowKind.PAIR)})], HOUR_MS)
    clock.advance(1800)
    await store.write_pairs(RELEASE, [PairWrite(ALICE, {SOFA: row(RowKind.PAIR)})], HOUR_MS)
    clock.advance(1800)
    found = await store.hydrate(RELEASE, ALICE, [LAMP, SOFA])
    assert [pair is not None for pair in found.pair_rows] == [False, True]
    assert found.aggregate is not None
    clock.advance(1800)
    assert (await store.hydrate(RELEASE, ALICE, [SOFA])).aggregate is None


@pytest.mark.parametrize("length", [0, MAX_HISTORY_LENGTH + 1])
def test_absurd_history_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="history_length"):
        MemoryStore(history_length=length)
