"""The pure parts of the ranker: estimates, admission, routing, selection, deadlines, misses, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.serving.admission import Admission
from inference.serving.deadline import Deadline
from inference.serving.errors import RequestError
from inference.serving.estimate import Estimate
from inference.serving.miss_limit import MissLimit
from inference.serving.route import choose_variant
from inference.serving.select import demoted, scores, top_k
from inference.serving.settings import RankerSettings
from runtime.clock import ManualClock
from runtime.environment import SettingsError, load

VARIANTS = ("small", "standard", "large")


def deadline(clock: ManualClock, ms: int = 200) -> Deadline:
    return Deadline.after(clock, clock.monotonic(), ms, reserve_ms=5)


def refusal(admission: Admission, num_candidates: int, until: Deadline) -> RequestError:
    """The error that such a request gets."""
    with pytest.raises(RequestError) as refused, admission.admit(num_candidates, until):
        raise AssertionError("admitted")
    return refused.value


def test_an_estimate_learns_a_fixed_and_a_growing_part() -> None:
    estimate = Estimate()
    for size in (10, 100, 500, 1_000) * 10:
        estimate.add(size, 0.002 + size * 1e-5)
    assert estimate.seconds(2_000) == pytest.approx(0.022, rel=1e-6)
    assert estimate.seconds(0) == pytest.approx(0.002, rel=1e-6)


def test_an_estimate_of_one_size_is_proportional_beyond_it_and_flat_below() -> None:
    estimate = Estimate()
    assert estimate.seconds(100) == 0.0
    estimate.add(100, 0.01)
    assert estimate.seconds(300) == pytest.approx(0.03)
    assert estimate.seconds(10) == pytest.approx(0.01)


def test_an_estimate_learnt_from_tiny_work_does_not_blow_up_for_usual_work() -> None:
    estimate = Estimate()
    for size in (1, 2) * 10:
        estimate.add(size, 0.001 + 0.001 * (size == 2))
    assert estimate.seconds(500) < 0.01


def test_noise_among_nearly_equal_sizes_is_not_taken_for_growth() -> None:
    estimate = Estimate()
    for size, seconds in ((100, 0.001), (101, 0.003)) * 10:
        estimate.add(size, seconds)
    assert estimate.seconds(1_000) == pytest.approx(0.02, rel=0.1)


def test_an_estimate_is_never_steeper_than_proportional() -> None:
    estimate = Estimate()
    for size, seconds in ((100, 0.0), (300, 0.1)):
        estimate.add(size, seconds)
    assert estimate.seconds(200) <= 0.055


def test_an_estimate_forgets_a_slow_start() -> None:
    estimate = Estimate()
    estimate.add(100, 5.0)
    for _ in range(200):
        estimate.add(100, 0.001)
    assert estimate.seconds(100) < 0.002


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 10)), max_size=30), st.floats(0, 1e5))
def test_an_estimate_is_never_negative(measured: list[tuple[float, float]], size: float) -> None:
    estimate = Estimate()
    for measurement in measured:
        estimate.add(*measurement)
    assert estimate.seconds(size) >= 0


def test_a_request_that_would_be_late_is_refused_with_the_time_to_come_back() -> None:
    clock, admission = ManualClock(), Admission(max_in_flight=10)
    for size in (100, 1_000):
        admission.scoring.add(size, size * 1e-3)
    with admission.admit(1_500, deadline(clock, 10_000)):
        error = refusal(admission, 100, deadline(clock, 1_000))
    assert (error.status, error.type, error.retry_after_s) == (429, "overloaded", 2)


def test_hydrations_that_take_longer_than_the_deadline_shed() -> None:
    clock, admission = ManualClock(), Admission(max_in_flight=10)
    for _ in range(20):
        admission.hydration.add(500, 0.3)
    with admission.admit(500, deadline(clock)):
        refusal(admission, 500, deadline(clock))


def test_time_already_spent_counts_against_the_deadline() -> None:
    clock, admission = ManualClock(), Admission(max_in_flight=10)
    admission.scoring.add(100, 0.1)
    late = deadline(clock, 1_000)
    with admission.admit(100, late):
        with admission.admit(100, late):
            pass
        clock.advance(0.9)
        refusal(admission, 100, late)


def test_an_idle_ranker_admits_and_so_can_learn_that_it_is_fast_again() -> None:
    clock, admission = ManualClock(), Admission(max_in_flight=10)
    admission.scoring.add(100, 60.0)
    with admission.admit(100, deadline(clock, 10)):
        assert (admission.requests, admission.candidates) == (1, 100)
    assert (admission.requests, admission.candidates) == (0, 0)


def test_more_in_flight_than_allowed_is_refused_however_short() -> None:
    clock, admission = ManualClock(), Admission(max_in_flight=2)
    with admission.admit(1, deadline(clock)), admission.admit(1, deadline(clock)):
        refusal(admission, 1, deadline(clock))


def test_a_failed_request_is_no_longer_in_flight() -> None:
    admission = Admission(max_in_flight=2)
    with pytest.raises(KeyError), admission.admit(5, deadline(ManualClock())):
        raise KeyError
    assert (admission.requests, admission.candidates) == (0, 0)


def test_the_reserve_of_a_deadline_is_kept_and_of_a_short_one_a_fifth() -> None:
    clock = ManualClock()
    long, short = deadline(clock, 200), deadline(clock, 10)
    assert long.usable_s() == pytest.approx(0.195)
    assert short.usable_s() == pytest.approx(0.008)
    clock.advance(0.0099)
    assert (short.usable_s(), short.passed) == (0.0, False)
    clock.advance(0.001)
    assert short.passed


@pytest.mark.parametrize(
    ("is_cold", "predicted", "usable_s", "expected"),
    [
        (False, {}, 0.1, "standard"),
        (True, {}, 0.1, "small"),
        (False, {"standard": 0.2}, 0.1, "small"),
        (False, {"standard": 0.2, "small": 0.15}, 0.1, "small"),
        (False, {"standard": 0.05, "large": 9.0}, 0.1, "standard"),
    ],
)
def test_the_variant_fits_the_user_and_the_time(
    is_cold: bool, predicted: dict[str, float], usable_s: float, expected: str
) -> None:
    chosen = choose_variant(VARIANTS, "standard", "small", is_cold=is_cold, predicted_s=predicted, usable_s=usable_s)
    assert chosen == expected


def test_a_release_without_the_wished_variants_gives_its_last() -> None:
    assert choose_variant(("a", "b"), "standard", "small", is_cold=True, predicted_s={}, usable_s=1.0) == "b"


def test_a_missing_bid_counts_as_one() -> None:
    score = scores(np.array([0.5, 0.5]), np.array([0.2, 0.2]), np.array([np.nan, 2.0]), 1.5)
    assert score.tolist() == pytest.approx([0.65, 1.3])


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 10**6)),
        min_size=1,
        max_size=60,
        unique_by=lambda pair: pair[1],
    ),
    st.integers(1, 70),
)
def test_the_slate_is_the_sorted_list_cut_at_k_with_ties_by_id(rated: list[tuple[float, int]], k: int) -> None:
    ids = [str(number) for _, number in rated]
    chosen = top_k(np.array([score for score, _ in rated]), ids, k)
    expected = sorted(zip([-score for score, _ in rated], ids, strict=True))[:k]
    assert [(-rated[index][0], ids[index]) for index in chosen] == expected


def test_a_miss_is_reported_once_a_minute() -> None:
    clock = ManualClock()
    limit = MissLimit(clock, max_per_s=100)
    assert [limit.allow("a"), limit.allow("a"), limit.allow("b")] == [True, False, True]
    clock.advance(61)
    assert limit.allow("a")


def test_misses_are_rate_capped_and_those_over_the_cap_get_their_turn_later() -> None:
    clock = ManualClock()
    limit = MissLimit(clock, max_per_s=10)
    assert sum(limit.allow(str(number)) for number in range(100)) == 10
    clock.advance(1)
    assert limit.allow("99")


@pytest.mark.parametrize(("name", "value"), [("PORT", "99999"), ("DEFAULT_DEADLINE_MS", "0"), ("MAX_IN_FLIGHT", "0")])
def test_a_setting_out_of_bounds_stops_the_process_and_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name.lower()):
        load(RankerSettings, "SOLARIS_RANKER", {f"SOLARIS_RANKER_{name}": value})


def test_items_that_are_gone_come_after_all_others_in_the_order_of_their_scores() -> None:
    score = np.array([0.1, 0.9, 0.2, 0.8])
    known = np.array([True, False, True, False])
    assert top_k(demoted(score, known), ["a", "b", "c", "d"], 4) == [2, 0, 1, 3]
    assert top_k(demoted(score, ~known & False), ["a", "b", "c", "d"], 4) == [1, 3, 2, 0]
