"""The one way a release changes: compare and set, write the log, give up the rows of what is no longer kept."""

from dataclasses import dataclass

from cache.store import ReleaseState, Store
from inference.release_log import publish_releases
from inference.switch import SwitchRefused, retired
from runtime.ids import ModelVersion


@dataclass(frozen=True, slots=True)
class Change:
    """What a change led to: versions that were given up, and whether the log in Kafka has it."""

    retired: list[str]
    logged: bool


async def change(store: Store, model: str, before: ReleaseState, after: ReleaseState) -> Change:
    """Make `after` the release state; raises SwitchRefused if it is not `before` any more, StoreUnavailable.

    Agents know of it up to a second later and may write rows of a retired version until then. Item inference therefore
    drops a version again when it learns that it is retired (`streams.item_inference`).
    """
    if not await store.change_release(model, before, after):
        raise SwitchRefused(
            "somebody else has changed the release meanwhile; look with `python -m inference release list`"
        )
    gone = retired(before, after)
    logged = await publish_releases(model, before, after)
    for version in gone:
        await store.drop_version(ModelVersion(model, version))
    return Change(gone, logged)
