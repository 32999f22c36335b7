"""One read of all offsets through one AdminClient. Works for classic and KIP-848 groups; needs DESCRIBE only."""

import time
from collections.abc import Mapping

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from runtime.settings import KafkaSettings
from streams.admin import GRACE_S, Admin, AdminError
from streams.lag.groups import AGENT_TOPICS
from streams.lag.snapshot import GroupState, PartitionState, Place, Snapshot

INTERNAL_PREFIX = "__"


class LagReader:
    """Reads snapshots; not for several threads."""

    def __init__(self, settings: KafkaSettings, *, timeout_s: float = 10.0) -> None:
        self._admin = Admin(settings, timeout_s=timeout_s)
        self._timeout_s = timeout_s

    def read(self) -> Snapshot:
        """Committed offsets first, ends after, so that no lag is negative. Raises AdminError."""
        metadata = self._admin.metadata()
        groups = self._groups()
        places = {
            Place(name, number): partition
            for name, topic in metadata.topics.items()
            if topic.error is None and not name.startswith(INTERNAL_PREFIX)
            for number, partition in topic.partitions.items()
        }
        begins = self._offsets(list(places), OffsetSpec.earliest())
        ends = self._offsets(list(places), OffsetSpec.latest())
        return Snapshot(
            time_s=time.time(),
            brokers={number: f"{broker.host}:{broker.port}" for number, broker in metadata.brokers.items()},
            partitions={
                place: PartitionState(
                    begin=begins[place],
                    end=ends[place],
                    leader=partition.leader,
                    replicas=tuple(partition.replicas),
                    in_sync=tuple(partition.isrs),
                )
                for place, partition in places.items()
                if place in begins and place in ends
            },
            groups=groups,
        )

    def _groups(self) -> Mapping[str, GroupState]:
        names = sorted({*self._admin.group_names(), *AGENT_TOPICS})
        members = self._admin.group_members(names)
        offsets = self._admin.group_offsets(names)
        return {
            name: GroupState(
                state=members[name][0],
                num_members=members[name][1],
                committed={Place(*place): offset for place, offset in offsets[name].items()},
            )
            for name in names
        }

    def _offsets(self, places: list[Place], spec: OffsetSpec) -> dict[Place, int]:
        """Offsets of the partitions that still exist and have a leader."""
        wanted = {TopicPartition(place.topic, place.partition): spec for place in places}
        if not wanted:
            return {}
        futures = self._admin.client.list_offsets(wanted, request_timeout=self._timeout_s)
        found, refused = {}, None
        for partition, future in futures.items():
            try:
                found[Place(partition.topic, partition.partition)] = future.result(self._timeout_s + GRACE_S).offset
            except KafkaException as error:  # deleted meanwhile, or without a leader now
                refused = error
            except TimeoutError:
                raise AdminError(f"listing offsets: no answer in {self._timeout_s:.0f} s") from None
        if not found and refused is not None:
            raise AdminError(f"listing offsets: {refused.args[0].str()}")
        return found
