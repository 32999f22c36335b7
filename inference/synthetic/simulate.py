"""Run a world over its span: all users at once, one request each a round."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.synthetic.config import DAY_MS, WorldConfig
from inference.synthetic.log import SURFACES, Log
from inference.synthetic.policy import draw_slates, policy_scores
from inference.synthetic.truth import Doubles, Ints, Truth, sigmoid

TASTE_MEMORY = 0.6  # share of the old taste that a click leaves
CLICK_DELAY_MS = (3_000, 45_000)
MIN_GAP_MS = 60_000  # between two requests of a user, so that clicks lie between them


@dataclass(slots=True)
class UserState:
    """What changes in users: the active interest, how many more clicks it lasts, and what they clicked of late."""

    active: Ints  # [U] index into the user's interests
    clicks_left: Ints  # [U]
    taste: Doubles  # [U, r] fading mean of the vectors of clicked items
    had: NDArray[np.bool_]  # [U, I] items clicked before


def new_state(config: WorldConfig, rng: np.random.Generator) -> UserState:
    """Users at the beginning of time."""
    num_users = config.num_users
    return UserState(
        active=rng.integers(0, config.interests_per_user, num_users),
        clicks_left=_lasting(config, num_users, rng),
        taste=np.zeros((num_users, config.rank)),
        had=np.zeros((num_users, config.num_items), dtype=bool),
    )


def note_click(
    config: WorldConfig, truth: Truth, state: UserState, users: Ints, items: Ints, rng: np.random.Generator
) -> None:
    """One click each of distinct `users` on `items`: taste moves, and an interest that has lasted gives way."""
    state.taste[users] = TASTE_MEMORY * state.taste[users] + (1 - TASTE_MEMORY) * truth.vectors[items]
    state.had[users, items] = True
    state.clicks_left[users] -= 1
    ends = users[state.clicks_left[users] <= 0]
    step = rng.integers(1, config.interests_per_user, len(ends)) if config.interests_per_user > 1 else 0
    state.active[ends] = (state.active[ends] + step) % config.interests_per_user
    state.clicks_left[ends] = _lasting(config, len(ends), rng)


def simulate(
    config: WorldConfig,
    truth: Truth,
    state: UserState,
    guess: Doubles,
    now_ms: int,
    name: str,
    rng: np.random.Generator,
) -> Log:
    """The log of `config.num_days` days that end at `now_ms`; leaves `state` as it is then."""
    span = config.num_days * DAY_MS
    start = now_ms - span
    times = _schedule(config, truth, span, rng)  # [U, rounds], relative to the start
    users = np.arange(config.num_users)
    positions = np.arange(config.num_slots)
    rounds: list[tuple[NDArray[Any], ...]] = []  # Any: columns of several types
    for at in times.T:
        live = truth.arrival[None, :] * span <= at[:, None]
        weights = policy_scores(state.taste, truth.vectors, guess, live)
        items, uniform, propensity = draw_slates(weights, config.num_slots, config.uniform_share, rng)
        oracle = sigmoid(truth.click_logit(users, state.active, items, positions, state.had[users[:, None], items]))
        clicked = rng.random(oracle.shape) < oracle
        converts = sigmoid(truth.conversion_logit(users, state.active, items))
        converted = clicked & (rng.random(oracle.shape) < converts)
        delay = np.sort(rng.integers(*CLICK_DELAY_MS, oracle.shape), axis=1)
        click_ms = np.where(clicked, start + at[:, None] + delay, 0)
        wait = rng.exponential(config.conversion_delay_ms, oracle.shape).astype(np.int64) + 1000
        conversion_ms = np.where(converted, click_ms + np.minimum(wait, config.conversion_window_ms), 0)
        for slot in positions:
            who = np.flatnonzero(clicked[:, slot])
            note_click(config, truth, state, who, items[who, slot], rng)
        surface = rng.integers(0, len(SURFACES), len(users))
        rounds.append((users, start + at, surface, items, uniform, propensity, oracle, click_ms, conversion_ms))
    columns = [np.concatenate(column) for column in zip(*rounds, strict=True)]
    order = np.argsort(columns[1], kind="stable")
    user, time_ms, surface, items, uniform, propensity, oracle, click_ms, conversion_ms = (c[order] for c in columns)
    return Log(
        truth=truth,
        name=name,
        now_ms=now_ms,
        window_ms=config.conversion_window_ms,
        user=user,
        time_ms=time_ms,
        surface=surface,
        items=items,
        uniform=uniform,
        propensity=propensity,
        oracle=oracle,
        click_ms=click_ms,
        conversion_ms=np.where(conversion_ms <= now_ms, conversion_ms, 0),
    )


def _schedule(config: WorldConfig, truth: Truth, span: int, rng: np.random.Generator) -> Ints:
    """Times of requests [U, rounds]: visits anywhere in the user's life, minutes between the requests of a visit."""
    shape = (config.num_users, config.requests_per_user)
    begins = rng.random(shape) < 1.0 / config.requests_per_visit
    begins[:, 0] = True
    visit = np.cumsum(begins, axis=1) - 1  # number of the visit that a request belongs to
    joined = truth.joined[:, None] * span
    visits = np.sort(rng.random(shape) * np.ones(shape), axis=1)
    # Of the sorted draws a user needs as many as there are visits: spread them over the whole life.
    place = np.minimum((visit + 1) * shape[1] // (visit[:, -1:] + 2), shape[1] - 1)
    starts = joined + np.take_along_axis(visits, place, axis=1) * (span - joined)
    gaps = MIN_GAP_MS + rng.exponential(config.minutes_between_requests * 60_000, shape)
    elapsed = np.cumsum(gaps, axis=1)
    first = np.maximum.accumulate(np.where(begins, elapsed, 0), axis=1)
    times = np.sort(starts + elapsed - first, axis=1)
    times = np.maximum.accumulate(times + np.arange(shape[1]) * MIN_GAP_MS, axis=1)
    late = np.maximum(times[:, -1:] + max(CLICK_DELAY_MS) - span, 0)
    return np.asarray(np.maximum(times - late, 0), dtype=np.int64)


def _lasting(config: WorldConfig, size: int, rng: np.random.Generator) -> Ints:
    low, high = config.switch_events
    return rng.integers(low, high + 1, size)
