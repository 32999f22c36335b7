"""Hypothesis strategies for the events and the records that carry them."""

from hypothesis import strategies as st

from runtime.ids import MAX_ID_BYTES
from streams.wire.events import (
    Activity,
    Candidate,
    Event,
    ItemMiss,
    ItemUpdate,
    ModelRelease,
    PairRequest,
    ReleasesKept,
    ReleaseVersion,
    RequestedPair,
    Retrieval,
    ServedItem,
    Slate,
    UserMiss,
)
from streams.wire.topics import Topic

NOW_MS = 1_795_254_253_058

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
ids = text.filter(lambda value: len(value.encode()) <= MAX_ID_BYTES)
names = st.from_regex(r"\A[a-z0-9.-]{1,64}\Z")
floats = st.floats(-1e9, 1e9)
times = st.integers(0, NOW_MS)
whole = st.integers(-(1 << 53), 1 << 53)
contexts = st.dictionaries(text, st.one_of(text, floats, whole, st.booleans()), max_size=4)
features = st.dictionaries(text, st.one_of(text, floats, whole, st.lists(text, max_size=3)), max_size=4)
_identity = {"event_id": ids, "event_time_ms": times}
_release = {"model": names, "version": names}

retrievals = st.builds(
    Retrieval,
    **_identity,
    type=st.just("completed"),
    request_id=ids,
    user_id=ids,
    surface=st.none() | text,
    context=st.none() | contexts,
    candidates=st.lists(
        st.builds(Candidate, item_id=ids, retrieval_score=st.none() | floats, bid=st.none() | st.floats(0, 1e9)),
        max_size=3,
    ),
)
activities = st.builds(
    Activity,
    **_identity,
    user_id=ids,
    item_id=ids,
    kind=st.sampled_from(["click", "impression", "rating", "shared"]),
    value=st.none() | floats,
    surface=st.none() | text,
    context=st.none() | contexts,
    request_id=ids,
    position=st.integers(0, 10_000),
    source_time_ms=st.none() | whole,
)
item_updates = st.builds(ItemUpdate, **_identity, item_id=ids, features=features)
pair_requests = st.builds(
    PairRequest,
    **_identity,
    **_release,
    user_id=ids,
    items=st.lists(st.builds(RequestedPair, item_id=ids, value=floats), min_size=1, max_size=3),
    rev=st.integers(0, 1 << 53),
    expires_ms=times,
)
slates = st.builds(
    Slate,
    **_identity,
    **_release,
    request_id=ids,
    user_id=ids,
    variant=text,
    user_source=st.sampled_from(["computed", "direct", "failover", "default"]),
    user_rev=st.integers(0, 1 << 53),
    user_as_of_ms=times,
    items=st.lists(
        st.builds(
            ServedItem,
            item_id=ids,
            score=floats,
            p_click=floats,
            p_conversion=floats,
            source=st.sampled_from(["pair", "aggregate", "neighbour", "default"]),
            age_ms=st.none() | whole,
            rev=st.integers(0, 1 << 53),
            explored=st.booleans(),
        ),
        max_size=3,
    ),
)
item_misses = st.builds(ItemMiss, **_identity, **_release, item_id=ids)
user_misses = st.builds(UserMiss, **_identity, **_release, user_id=ids)
digests = st.from_regex(r"\A[0-9a-f]{64}\Z")
versions = st.none() | st.builds(
    ReleaseVersion, version=names, location=text, sha256=digests, staged_ms=st.none() | times, live_ms=st.none() | times
)
releases = st.builds(
    ModelRelease,
    **_identity,
    **_release,
    state=st.sampled_from(["staged", "live", "retired"]),
    location=text,
    sha256=digests,
    kept=st.none() | st.builds(ReleasesKept, live=versions, staged=versions, previous=versions),
)

EVENTS: dict[Topic, st.SearchStrategy[Event]] = {
    Topic.RETRIEVAL_EVENTS: retrievals,
    Topic.USER_ACTIVITY: activities,
    Topic.ITEM_UPDATES: item_updates,
    Topic.PAIR_REQUESTS: pair_requests,
    Topic.SLATES_SERVED: slates,
    Topic.ITEM_MISSES: item_misses,
    Topic.USER_MISSES: user_misses,
    Topic.MODEL_RELEASES: releases,
}
