"""The monitor's `/metrics`: kafka_exporter's names and labels, so that existing dashboards work; seconds and verdicts.

kafka_exporter's quirks are kept where a dashboard may rely on them:

- on a topic where the group has committed somewhere, a partition without a commit shows offset -1 **and** lag -1;
- `kafka_consumergroup_lag_sum` leaves those -1 out, `kafka_consumergroup_current_offset_sum` adds them;
- a group that never committed, or whose topic is gone, shows `kafka_consumergroup_members` alone.

Two are not: members of KIP-848 groups are counted, and internal topics are left out.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from runtime.metrics import LATENCY_BUCKETS_S
from streams.lag.report import LagReport
from streams.lag.rules import Verdict
from streams.lag.snapshot import Snapshot

GROUP_PLACE = ("consumergroup", "topic", "partition")
PLACE = ("topic", "partition")

Current = Callable[[], tuple[Snapshot, LagReport] | None]


class MonitorMetrics:
    """The monitor's own doing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.read_seconds = Histogram(
            "solaris_lag_read_seconds", "One read of all offsets.", buckets=LATENCY_BUCKETS_S, registry=registry
        )
        self.read_failures = Counter(
            "solaris_lag_read_failures_total", "Reads that the broker refused or did not answer.", registry=registry
        )


class LagCollector(Collector):
    """Everything about the groups, made afresh from the last report at each scrape; empty before the first."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: the names must not be collected at registration."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Families of the last report."""
        current = self._current()
        if current is None:
            return
        snapshot, report = current
        yield from _broker_families(snapshot)
        yield from _group_families(snapshot)
        yield from _verdict_families(report)


def lag_registry(current: Current) -> tuple[CollectorRegistry, MonitorMetrics]:
    """A registry with all families of the monitor's process."""
    registry = CollectorRegistry()
    registry.register(LagCollector(current))
    ProcessCollector(registry=registry)
    return registry, MonitorMetrics(registry)


def _gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=labels)


def _broker_families(snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    brokers = _gauge("kafka_brokers", "Brokers in the cluster.")
    brokers.add_metric((), len(snapshot.brokers))
    info = _gauge("kafka_broker_info", "A broker, always 1.", ("address", "id"))
    for number, address in snapshot.brokers.items():
        info.add_metric((address, str(number)), 1)
    counts = _gauge("kafka_topic_partitions", "Partitions of the topic.", ("topic",))
    topics = [place.topic for place in snapshot.partitions]
    for topic in dict.fromkeys(topics):
        counts.add_metric((topic,), topics.count(topic))
    current = _gauge("kafka_topic_partition_current_offset", "End offset.", PLACE)
    oldest = _gauge("kafka_topic_partition_oldest_offset", "Oldest offset.", PLACE)
    leader = _gauge("kafka_topic_partition_leader", "Broker that leads.", PLACE)
    preferred = _gauge("kafka_topic_partition_leader_is_preferred", "1 if the first replica leads.", PLACE)
    replicas = _gauge("kafka_topic_partition_replicas", "Replicas.", PLACE)
    in_sync = _gauge("kafka_topic_partition_in_sync_replica", "Replicas in sync.", PLACE)
    under = _gauge("kafka_topic_partition_under_replicated_partition", "1 if a replica is not in sync.", PLACE)
    for place, state in snapshot.partitions.items():
        labels = (place.topic, str(place.partition))
        current.add_metric(labels, state.end)
        oldest.add_metric(labels, state.begin)
        leader.add_metric(labels, state.leader)
        preferred.add_metric(labels, float(bool(state.replicas) and state.leader == state.replicas[0]))
        replicas.add_metric(labels, len(state.replicas))
        in_sync.add_metric(labels, len(state.in_sync))
        under.add_metric(labels, float(len(state.in_sync) < len(state.replicas)))
    yield from (brokers, info, counts, current, oldest, leader, preferred, replicas, in_sync, under)


def _group_families(snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    members = _gauge("kafka_consumergroup_members", "Members of the group.", ("consumergroup",))
    offset = _gauge("kafka_consumergroup_current_offset", "Committed offset, -1 without one.", GROUP_PLACE)
    offset_sum = _gauge("kafka_consumergroup_current_offset_sum", "Sum over partitions.", ("consumergroup", "topic"))
    lag = _gauge("kafka_consumergroup_lag", "Records not committed yet, -1 without a commit.", GROUP_PLACE)
    lag_sum = _gauge("kafka_consumergroup_lag_sum", "Sum over partitions.", ("consumergroup", "topic"))
    for name, group in snapshot.groups.items():
        members.add_metric((name,), group.num_members)
        for topic in sorted({place.topic for place in group.committed}):
            places = [place for place in snapshot.partitions if place.topic == topic]
            offsets = {place: group.committed.get(place, -1) for place in places}
            lags = {
                place: max(0, snapshot.partitions[place].end - committed) if committed >= 0 else -1
                for place, committed in offsets.items()
            }
            for place in places:
                labels = (name, topic, str(place.partition))
                offset.add_metric(labels, offsets[place])
                lag.add_metric(labels, lags[place])
            if places:
                offset_sum.add_metric((name, topic), sum(offsets.values()))
                lag_sum.add_metric((name, topic), sum(value for value in lags.values() if value >= 0))
    yield from (members, offset, offset_sum, lag, lag_sum)


def _verdict_families(report: LagReport) -> Iterator[GaugeMetricFamily]:
    seconds = _gauge(
        "solaris_consumergroup_lag_seconds",
        "Time that the oldest unread record has been waiting, worst partition; absent while unknown.",
        ("consumergroup", "topic"),
    )
    verdicts = _gauge(
        "solaris_consumergroup_verdict",
        "1 for the verdict that holds: ok, absent, slow, stalled, stopped.",
        ("consumergroup", "verdict"),
    )
    last = _gauge("solaris_lag_last_read_timestamp_seconds", "When the figures were read, since the epoch.")
    last.add_metric((), report.time_s)
    for group in report.groups:
        for verdict in Verdict:
            verdicts.add_metric((group.group, verdict.value), float(group.verdict == verdict))
        worst: dict[str, float] = {}
        for partition in group.partitions:
            if partition.seconds is not None:
                worst[partition.topic] = max(partition.seconds, worst.get(partition.topic, 0.0))
        for topic, value in worst.items():
            seconds.add_metric((group.group, topic), value)
    yield from (seconds, verdicts, last)
