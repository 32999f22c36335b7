"""CloudEvents headers go out complete and are read when they are there."""

from hypothesis import given
from hypothesis import strategies as st

from streams.wire.events import MAX_TIME_MS, UserMiss
from streams.wire.headers import Metadata, event_headers, read_headers

EVENT = UserMiss(event_id="ä-1", event_time_ms=1_795_254_253_058, user_id="7", model="main", version="v1")


def test_the_headers_of_an_event_are_those_of_the_kafka_binding() -> None:
    assert dict(event_headers("reco.user.misses.v1", EVENT, "solaris/ranker")) == {
        "ce_specversion": b"1.0",
        "ce_id": "ä-1".encode(),
        "ce_time": b"2026-11-21T09:44:13.058Z",
        "ce_type": b"reco.user.misses.v1",
        "ce_source": b"solaris/ranker",
        "content-type": b"application/json",
    }


def test_headers_come_back() -> None:
    headers = event_headers("reco.user.misses.v1", EVENT, "solaris/ranker", traceparent="00-a-b-01")
    assert read_headers(headers) == Metadata(
        id="ä-1",
        time="2026-11-21T09:44:13.058Z",
        type="reco.user.misses.v1",
        source="solaris/ranker",
        traceparent="00-a-b-01",
    )


def test_absent_headers_are_none() -> None:
    assert read_headers(()) == Metadata()


@given(st.lists(st.tuples(st.sampled_from(["ce_id", "ce_type", "x"]), st.none() | st.binary(max_size=8)), max_size=5))
def test_no_header_makes_reading_raise(headers: list[tuple[str, bytes | None]]) -> None:
    read_headers(headers)


@given(st.integers(0, MAX_TIME_MS))
def test_every_legal_time_has_a_header(time_ms: int) -> None:
    event = UserMiss(event_id="e", event_time_ms=time_ms, user_id="7", model="main", version="v1")
    assert dict(event_headers("t", event, "s"))["ce_time"] is not None
