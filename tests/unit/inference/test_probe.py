"""Which hop a click did not pass."""

import pytest

from inference.probe import Hop, Trace, missing_hop


@pytest.mark.parametrize(
    ("trace", "hop"),
    [
        (Trace(delivered=False), Hop.TOPIC),
        (Trace(delivered=True, store_answers=False), Hop.STORE),
        (Trace(delivered=True), Hop.AGENT),
        (Trace(delivered=True, watermark_passed=True), Hop.HISTORY),
        (Trace(delivered=True, watermark_passed=True, in_history=True), Hop.RANKER),
        (Trace(delivered=True, in_history=True, ranker_answers=True), Hop.ROW),
        (Trace(delivered=True, in_history=True, ranker_answers=True, row_includes=True), Hop.STALE),
    ],
)
def test_the_first_hop_that_was_not_passed_is_named(trace: Trace, hop: Hop) -> None:
    assert missing_hop(trace) is hop
