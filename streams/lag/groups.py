"""Which topics each of our agents reads, so that one that never ran still shows up with its backlog."""

from streams.wire.topics import Topic

AGENT_TOPICS: dict[str, tuple[Topic, ...]] = {
    "solaris.user-refresh": (Topic.USER_ACTIVITY, Topic.RETRIEVAL_EVENTS, Topic.USER_MISSES),
    "solaris.item-inference": (Topic.ITEM_UPDATES, Topic.ITEM_MISSES),
    "solaris.speculation": (Topic.RETRIEVAL_EVENTS, Topic.USER_ACTIVITY, Topic.SLATES_SERVED),
    "solaris.pair-inference": (Topic.PAIR_REQUESTS,),
}
