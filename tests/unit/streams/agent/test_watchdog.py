"""When the watchdog ends the process, and when it must not."""

import threading

from streams.agent.exits import Exit
from streams.agent.watchdog import StuckRule, Vitals, Watchdog

RULE = {"stuck_after_s": 30.0, "stop_grace_s": 20.0}


def vitals(num_beats: int = 1, committed: int = 1, lag: int = 5, stopping: bool = False) -> Vitals:
    return Vitals(num_beats, committed, lag, stopping)


def test_an_idle_agent_is_never_stuck() -> None:
    rule = StuckRule(**RULE)
    assert all(rule.judge(vitals(lag=0), now_s) is None for now_s in range(1000))


def test_lag_without_a_beat_or_a_commit_ends_the_process_after_the_limit() -> None:
    rule = StuckRule(**RULE)
    assert all(rule.judge(vitals(), now_s) is None for now_s in range(31))
    verdict = rule.judge(vitals(), 31)
    assert verdict is not None
    assert verdict[0] == Exit.FAILED


def test_a_paused_body_beats_and_so_lives() -> None:
    rule = StuckRule(**RULE)
    assert all(rule.judge(vitals(num_beats=now_s), now_s) is None for now_s in range(1000))


def test_commits_alone_are_enough() -> None:
    rule = StuckRule(**RULE)
    assert all(rule.judge(vitals(committed=now_s), now_s) is None for now_s in range(1000))


def test_work_that_comes_after_a_long_idle_time_has_the_whole_limit() -> None:
    rule = StuckRule(**RULE)
    assert rule.judge(vitals(lag=0), 0) is None
    assert rule.judge(vitals(lag=0), 500) is None
    assert rule.judge(vitals(lag=1), 501) is None
    assert rule.judge(vitals(lag=1), 529) is None
    assert rule.judge(vitals(lag=1), 531) is not None


def test_a_stop_that_takes_longer_than_its_grace_ends_uncommitted() -> None:
    rule = StuckRule(**RULE)
    assert rule.judge(vitals(lag=0, stopping=True), 100) is None
    assert rule.judge(vitals(lag=0, stopping=True), 119) is None
    verdict = rule.judge(vitals(num_beats=9, lag=0, stopping=True), 121)
    assert verdict is not None
    assert verdict[0] == Exit.UNFINISHED


def test_the_thread_ends_the_process_while_the_event_loop_is_blocked() -> None:
    ended = threading.Event()
    verdicts: list[Exit] = []

    def end(status: Exit, _: str) -> None:
        verdicts.append(status)
        ended.set()

    times = iter(range(0, 100_000, 31))
    dog = Watchdog(StuckRule(**RULE), vitals, lambda: float(next(times)), end)  # type: ignore[arg-type]
    dog.start()
    assert ended.wait(60)
    dog.close()
    assert verdicts[0] == Exit.FAILED


def test_a_look_that_fails_does_not_end_the_looking() -> None:
    ended = threading.Event()
    failures = [RuntimeError("dictionary changed size during iteration")]

    def look() -> Vitals:
        if failures:
            raise failures.pop()
        return vitals()

    times = iter(range(0, 100_000, 31))
    dog = Watchdog(StuckRule(**RULE), look, lambda: float(next(times)), lambda *_: ended.set())  # type: ignore[arg-type]
    dog.start()
    assert ended.wait(60)
    dog.close()
    assert failures == []
