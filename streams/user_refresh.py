"""User refresh: keeps behaviour histories, and the user rows of those for whom retrieval is running.

python -m faust -A streams.user_refresh worker
"""

from collections.abc import Sequence

from inference.effects.users import answer_user_misses, apply_activity, refresh_stale, touch_users, users_of
from streams.agent import metrics
from streams.agent.app import AgentApp, AgentSpec, agent_app
from streams.agent.loop import AnyReceived, Effect, of_type
from streams.wire.events import Activity, Retrieval, UserMiss
from streams.wire.topics import Topic

TOPICS = (Topic.USER_ACTIVITY.value, Topic.RETRIEVAL_EVENTS.value, Topic.USER_MISSES.value)


def user_refresh(app: AgentApp) -> Effect:
    """Retrievals mark users first, so that their activity in the same batch refreshes them; each user once a batch."""
    bench = app.bench

    async def effect(received: Sequence[AnyReceived]) -> None:
        releases, kept = await bench.releases(), bench.kept
        activity, retrievals = of_type(received, Activity), of_type(received, Retrieval)
        missed = users_of(of_type(received, UserMiss))
        await touch_users(bench.store, retrievals)
        now_ms = bench.clock.now_ms()
        changes = await apply_activity(bench.store, releases, activity, kept=kept, now_ms=now_ms, compute=bench.compute)
        fresh = changes.refreshed
        missed = [user for user in missed if user not in fresh]
        fresh |= (await answer_user_misses(bench.store, releases, missed, kept=kept, compute=bench.compute)).refreshed
        retrieving = [user for user in users_of(retrievals) if user not in fresh]
        fresh |= (await refresh_stale(bench.store, releases, retrieving, kept=kept, compute=bench.compute)).refreshed
        metrics.effects.labels("history_events").inc(changes.num_events)
        metrics.effects.labels("user_refreshes").inc(len(fresh))

    return effect


app = agent_app(AgentSpec("user-refresh", TOPICS, TOPICS, 8010, user_refresh))
