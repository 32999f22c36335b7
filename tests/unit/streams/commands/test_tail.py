"""How `tail` prints a dead letter."""

from streams.agent.dead_letter import dead_letter_headers
from streams.commands.tail import _plain_line
from streams.wire.record import Record
from streams.wire.topics import Topic, dead_letter_topic

BAD = Record(Topic.USER_ACTIVITY, 3, 17, 1_000, b"u", b"{}", ())


def test_a_dead_letter_is_shown_with_its_reason_and_where_it_came_from() -> None:
    headers = dead_letter_headers(BAD, "missing_field", "no `kind`\x1b[31m", "solaris.user-refresh")
    line = _plain_line(Record(dead_letter_topic(BAD.topic), 0, 5, 2_000, BAD.key, BAD.value, headers))
    assert "REJECTED missing_field: no `kind`" in line
    assert "(by solaris.user-refresh, from reco.user.activity.v1 3:17)" in line
    assert "\x1b" not in line


def test_a_dead_letter_without_headers_is_still_a_line() -> None:
    line = _plain_line(Record(dead_letter_topic(BAD.topic), 0, 5, 2_000, None, None, ()))
    assert "REJECTED ?: ?" in line
