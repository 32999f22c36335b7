"""Is the store what a plain in-order replay of the topics gives? Used after kills, and after a rebuild.

Histories must be equal byte by byte, `rev` and newest time included. Rows of items, and of users who were active, must
have the same revision and release, and values equal to freshly computed ones within what fp16 and the order of sums in
a batch allow.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay import PlainHistory, PlainItem, replay_activity, replay_items
from cache.row import RowKind, decode_rows
from cache.store import History, Store
from inference.release import Release
from runtime.ids import ItemId, UserId
from runtime.settings import KafkaSettings
from streams.wire.reader import Reader
from streams.wire.topics import Topic

T = TypeVar("T")

RELATIVE, ABSOLUTE = 2e-3, 2e-3  # fp16 keeps 11 bits: 5e-4; the rest is for sums in another order
BATCH = 256
MAX_NAMED = 5


@dataclass(slots=True)
class Verdict:
    """How many were looked at, and the ids of those that are wrong."""

    events: int = 0  # in the log
    kept_events: int = 0  # that histories ought to hold
    lost_events: int = 0  # of those, not in the store
    users: int = 0
    user_rows: int = 0
    items: int = 0
    wrong_histories: list[str] = field(default_factory=list)
    wrong_user_rows: list[str] = field(default_factory=list)
    wrong_items: list[str] = field(default_factory=list)
    largest_difference: float = 0.0

    @property
    def right(self) -> bool:
        """Nothing is lost, nothing is wrong, and something was there to be looked at."""
        wrong = self.lost_events or self.wrong_histories or self.wrong_user_rows or self.wrong_items
        return not wrong and self.users > 0 and self.items > 0

    def summary(self) -> dict[str, object]:
        """Numbers, and the first few names."""
        facts = asdict(self)
        for name in ("wrong_histories", "wrong_user_rows", "wrong_items"):
            facts[name] = {"number": len(facts[name]), "first": facts[name][:MAX_NAMED]}
        return facts | {"right": self.right}


async def check(
    store: Store, kafka: KafkaSettings, release: Release, active: Sequence[UserId], history_length: int
) -> Verdict:
    """Compare the store with the topics as they are now; `active` users must have rows. Agents must have caught up."""
    with Reader(kafka, Topic.USER_ACTIVITY) as reader:
        activity = list(reader.read())
    with Reader(kafka, Topic.ITEM_UPDATES) as reader:
        items = replay_items(reader.read())
    histories = replay_activity(activity, history_length)
    verdict = Verdict(events=len(activity), users=len(histories), items=len(items))
    await _check_histories(store, histories, verdict)
    await _check_user_rows(store, release, {user: histories[user] for user in active if user in histories}, verdict)
    await _check_items(store, release, items, verdict)
    return verdict


async def _check_histories(store: Store, expected: Mapping[str, PlainHistory], verdict: Verdict) -> None:
    users = [UserId(user) for user in expected]
    for part in _parts(users):
        for stored in await store.read_histories(part):
            plain = expected[stored.user]
            verdict.kept_events += len(plain.payloads)
            verdict.lost_events += len(set(plain.payloads) - set(stored.payloads))
            same = (stored.payloads, stored.rev, stored.as_of_ms) == (plain.payloads, plain.rev, plain.as_of_ms)
            if not same:
                verdict.wrong_histories.append(stored.user)


async def _check_user_rows(
    store: Store, release: Release, expected: Mapping[str, PlainHistory], verdict: Verdict
) -> None:
    manifest = release.manifest
    for part in _parts([UserId(user) for user in expected]):
        rows = await store.read_user_rows(manifest.model_version, part)
        decoded = decode_rows(rows, RowKind.USER, manifest.model_version, manifest.user_width, 0)
        plain = [expected[user] for user in part]
        fresh = release.user_rows(
            [History(user, p.rev, p.payloads, p.as_of_ms) for user, p in zip(part, plain, strict=True)]
        ).reshape(len(part), -1)
        same = decoded.present & (decoded.rev == [p.rev for p in plain])
        same &= decoded.as_of_ms == [p.as_of_ms for p in plain]
        same &= _close(decoded.values, fresh, decoded.present, verdict)
        verdict.user_rows += len(part)
        verdict.wrong_user_rows += [user for user, right in zip(part, same.tolist(), strict=True) if not right]


async def _check_items(store: Store, release: Release, expected: Mapping[str, PlainItem], verdict: Verdict) -> None:
    manifest = release.manifest
    for part in _parts([ItemId(item) for item in expected]):
        stored = await store.read_items(part)
        rows = await store.read_item_rows(manifest.model_version, part)
        decoded = decode_rows(rows, RowKind.ITEM, manifest.model_version, manifest.item_width, 0)
        plain = [expected[item] for item in part]
        alive = np.array([p.features is not None for p in plain])
        fresh = np.zeros_like(decoded.values)
        known = [(item, p.features) for item, p in zip(part, plain, strict=True) if p.features is not None]
        if known:
            fresh[alive] = release.item_rows(known)
        same = np.where(alive, decoded.present, decoded.empty) & (decoded.rev == [p.rev for p in plain])
        same &= [_same_item(found, p) for found, p in zip(stored, plain, strict=True)]
        same &= _close(decoded.values, fresh, alive & decoded.present, verdict)
        verdict.wrong_items += [item for item, right in zip(part, same.tolist(), strict=True) if not right]


def _same_item(found: tuple[int, bytes | None] | None, plain: PlainItem) -> bool:
    if found is None:
        return False
    features = None if found[1] is None else json.loads(found[1])
    return (found[0], features) == (plain.rev, plain.features)


def _close(
    stored: NDArray[np.float32], fresh: NDArray[np.float32], counted: NDArray[np.bool_], verdict: Verdict
) -> NDArray[np.bool_]:
    difference = np.abs(stored - fresh)
    if counted.any():
        verdict.largest_difference = max(verdict.largest_difference, float(difference[counted].max()))
    close: NDArray[np.bool_] = (difference <= ABSOLUTE + RELATIVE * np.abs(fresh)).all(axis=1)
    return close | ~counted


def _parts(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[start : start + BATCH] for start in range(0, len(values), BATCH)]
