"""kafka_exporter's names, labels and quirks, as its dashboards expect them."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.lag.history import LagHistory
from streams.lag.metrics import lag_registry
from streams.lag.snapshot import GroupState, PartitionState, Place, Snapshot

T0, T1, U0 = Place("t", 0), Place("t", 1), Place("u", 0)

SNAPSHOT = Snapshot(
    time_s=1000.0,
    brokers={1: "127.0.0.1:9092", 2: "127.0.0.1:9094"},
    partitions={
        T0: PartitionState(3, 100, leader=1, replicas=(1, 2), in_sync=(1, 2)),
        T1: PartitionState(0, 30, leader=1, replicas=(2, 1), in_sync=(1,)),
        U0: PartitionState(0, 5, leader=2, replicas=(2,), in_sync=(2,)),
    },
    groups={
        "reads": GroupState("STABLE", 2, {T0: 40}),
        "no-commit": GroupState("STABLE", 1, {}),
        "topic-gone": GroupState("EMPTY", 0, {Place("deleted", 0): 7}),
    },
)


def series(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    report = LagHistory(window_s=10.0, history_s=100.0).add(SNAPSHOT)
    registry, _ = lag_registry(lambda: (SNAPSHOT, report))
    return series(registry)


def test_lag_and_offsets_have_the_names_and_labels_of_kafka_exporter() -> None:
    found = scrape()
    place = (("consumergroup", "reads"), ("partition", "0"), ("topic", "t"))
    assert found["kafka_consumergroup_lag", place] == 60
    assert found["kafka_consumergroup_current_offset", place] == 40
    assert found["kafka_consumergroup_members", (("consumergroup", "reads"),)] == 2
    assert found["kafka_brokers", ()] == 2
    assert found["kafka_broker_info", (("address", "127.0.0.1:9092"), ("id", "1"))] == 1
    assert found["kafka_topic_partitions", (("topic", "t"),)] == 2
    names = ["current_offset", "oldest_offset", "leader", "leader_is_preferred", "replicas", "in_sync_replica"]
    names.append("under_replicated_partition")
    values = [
        [found[f"kafka_topic_partition_{name}", (("partition", partition), ("topic", "t"))] for name in names]
        for partition in ("0", "1")
    ]
    assert values == [[100, 3, 1, 1, 2, 2, 0], [30, 0, 1, 0, 2, 1, 1]]


def test_a_partition_without_a_commit_shows_minus_one_left_out_of_the_lag_sum_only() -> None:
    found = scrape()
    place = (("consumergroup", "reads"), ("partition", "1"), ("topic", "t"))
    assert found["kafka_consumergroup_lag", place] == -1
    assert found["kafka_consumergroup_current_offset", place] == -1
    topic = (("consumergroup", "reads"), ("topic", "t"))
    assert found["kafka_consumergroup_lag_sum", topic] == 60
    assert found["kafka_consumergroup_current_offset_sum", topic] == 39


def test_groups_without_commits_or_topic_show_their_members_alone() -> None:
    for group in ("no-commit", "topic-gone"):
        names = {name for name, labels in scrape() if ("consumergroup", group) in labels and name.startswith("kafka_")}
        assert names == {"kafka_consumergroup_members"}


def test_exactly_one_verdict_holds_for_each_group() -> None:
    found = scrape()
    for group in SNAPSHOT.groups:
        verdicts = {
            dict(labels)["verdict"]: value
            for (name, labels), value in found.items()
            if name == "solaris_consumergroup_verdict" and ("consumergroup", group) in labels
        }
        assert set(verdicts) == {"ok", "absent", "slow", "stalled", "stopped"}
        assert sum(verdicts.values()) == 1


def test_before_the_first_read_only_the_monitors_own_metrics_are_there() -> None:
    registry, _ = lag_registry(lambda: None)
    assert not any(name.startswith(("kafka_", "solaris_consumergroup_")) for name, _ in series(registry))
    assert ("solaris_lag_read_failures_total", ()) in series(registry)
