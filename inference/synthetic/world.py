"""A world with users that want something: its past as a log, its present as a partner for the live system.

The same seed gives the same items, users and past; `now_ms` only moves it in time. The live half goes on where the
past ended: `request` asks, `react` answers a slate, `due` delivers the conversions that have come due since.
"""

import heapq

import numpy as np

from inference.synthetic.config import WorldConfig
from inference.synthetic.log import SURFACES, Log
from inference.synthetic.policy import draw_slates, policy_scores
from inference.synthetic.simulate import new_state, note_click, simulate
from inference.synthetic.truth import Ints, make_truth, sigmoid
from runtime.ids import ItemId, UserId
from streams.wire.events import Activity, Candidate, ItemUpdate, Retrieval

UNIFORM_CANDIDATES = 0.5  # share of a live request's candidates that retrieval found by chance


class World:
    """One world. Not thread-safe."""

    def __init__(self, seed: int = 0, config: WorldConfig | None = None) -> None:
        self.config = config or WorldConfig()
        self.name = f"w{seed}"
        self._rng = np.random.default_rng([seed, 1])
        self.truth = make_truth(self.config, np.random.default_rng([seed, 0]))
        self._state = new_state(self.config, self._rng)
        self._guess = self.truth.quality + self._rng.normal(size=self.config.num_items) * 0.5
        self._user_number = {user: number for number, user in enumerate(self.truth.user_ids)}
        self._item_number = {item: number for number, item in enumerate(self.truth.item_ids)}
        self._num_live = 0
        self._pending: list[tuple[int, str, Activity]] = []

    @property
    def users(self) -> tuple[UserId, ...]:
        return self.truth.user_ids

    @property
    def items(self) -> tuple[ItemId, ...]:
        return self.truth.item_ids

    def past(self, now_ms: int) -> Log:
        """Simulate the days that end at `now_ms`; once per world."""
        return simulate(self.config, self.truth, self._state, self._guess, now_ms, self.name, self._rng)

    def item_updates(self, now_ms: int) -> list[ItemUpdate]:
        """The current features of every item, as events of now."""
        return [
            ItemUpdate(event_id=f"{self.name}-{item}-{now_ms}", event_time_ms=now_ms, item_id=item, features=features)
            for item, features in zip(self.truth.item_ids, self.truth.features, strict=True)
        ]

    def category_of(self, item: ItemId) -> str:
        """The category of an item, which the demo shows rising."""
        return str(self.truth.features[self._item_number[item]]["category"])

    def request(self, user: UserId, now_ms: int) -> Retrieval:
        """Retrieval has completed for this user: candidates by taste and by chance."""
        number = np.array([self._user_number[user]])
        config, live = self.config, np.ones((1, self.config.num_items), dtype=bool)
        weights = policy_scores(self._state.taste[number], self.truth.vectors, self._guess, live)
        count = min(config.num_candidates, config.num_items)
        items, _, _ = draw_slates(weights, count, UNIFORM_CANDIDATES, self._rng)
        score = np.log(weights[0, items[0]])
        request_id = self._next_request_id(now_ms)
        return Retrieval(
            event_id=f"{request_id}-retrieval",
            event_time_ms=now_ms,
            type="completed",
            request_id=request_id,
            user_id=user,
            surface=SURFACES[self._num_live % len(SURFACES)],
            candidates=[
                Candidate(item_id=self.truth.item_ids[item], retrieval_score=round(float(value), 4))
                for item, value in zip(items[0], score, strict=True)
            ],
        )

    def click_probabilities(self, user: UserId, items: list[ItemId]) -> list[float]:
        """The truth: how likely this user clicks each item in the position it has in the list."""
        number, chosen = self._numbers(user, items)
        had, positions = self._state.had[number[:, None], chosen], np.arange(len(items))[None]
        logit = self.truth.click_logit(number, self._state.active[number], chosen, positions, had)
        return [float(p) for p in sigmoid(logit)[0]]

    def react(self, user: UserId, slate: list[ItemId], request_id: str, now_ms: int) -> list[Activity]:
        """The user sees the slate: an impression each, clicks by the hidden truth; conversions come due later."""
        number, chosen = self._numbers(user, slate)
        chance = self._rng.random((3, len(slate)))
        clicks = chance[0] < np.array(self.click_probabilities(user, slate))
        conversions = chance[1] < sigmoid(self.truth.conversion_logit(number, self._state.active[number], chosen))[0]
        delays = -np.log(chance[2]) * self.config.conversion_delay_ms
        events = []
        for position, item in enumerate(slate):
            events.append(self._activity("impression", user, item, request_id, position, now_ms))
            if clicks[position]:
                events.append(self._click(user, item, request_id, position, now_ms))
                if conversions[position]:
                    due_ms = now_ms + min(int(delays[position]), self.config.conversion_window_ms)
                    event = self._activity("conversion", user, item, request_id, position, due_ms)
                    heapq.heappush(self._pending, (due_ms, event.event_id, event))
        return events

    def due(self, now_ms: int) -> list[Activity]:
        """Conversions whose time has come, oldest first; each is returned once."""
        events = []
        while self._pending and self._pending[0][0] <= now_ms:
            events.append(heapq.heappop(self._pending)[2])
        return events

    def click_on(self, user: UserId, category: str, now_ms: int, num_clicks: int = 5) -> list[Activity]:
        """The user clicks items of one category, as if shown a page of it; for demonstrations."""
        chosen = [item for item in self.truth.item_ids if self.category_of(item) == category][:num_clicks]
        if not chosen:
            raise ValueError(f"category {category!r} has no items")
        request_id = self._next_request_id(now_ms)
        return [self._click(user, item, request_id, place, now_ms + place) for place, item in enumerate(chosen)]

    def _click(self, user: UserId, item: ItemId, request_id: str, position: int, now_ms: int) -> Activity:
        number, chosen = self._numbers(user, [item])
        note_click(self.config, self.truth, self._state, number, chosen[0], self._rng)
        return self._activity("click", user, item, request_id, position, now_ms)

    def _activity(
        self, kind: str, user: UserId, item: ItemId, request_id: str, position: int, time_ms: int
    ) -> Activity:
        return Activity(
            event_id=f"{request_id}-{position}-{kind}",
            event_time_ms=time_ms,
            user_id=user,
            item_id=item,
            kind=kind,
            request_id=request_id,
            position=position,
        )

    def _numbers(self, user: UserId, items: list[ItemId]) -> tuple[Ints, Ints]:
        chosen = np.array([[self._item_number[item] for item in items]], dtype=np.int64)
        return np.array([self._user_number[user]]), chosen

    def _next_request_id(self, now_ms: int) -> str:
        """Unlike the past's, ids of live requests never repeat: a second demonstration meets the first one's data."""
        self._num_live += 1
        return f"{self.name}-{now_ms}-{self._num_live}"
