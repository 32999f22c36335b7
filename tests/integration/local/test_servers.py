"""The servers that the fixtures start are real and hold what the fixtures promise."""

import pytest
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from redis.cluster import ClusterNode, RedisCluster

from streams.wire.topics import TOPICS, Topic
from tests.waiting import wait_until


@pytest.mark.kafka
def test_the_broker_does_not_create_topics_by_itself(kafka_bootstrap: str) -> None:
    errors: list[object] = []
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "message.timeout.ms": 3000, "log_level": 0})
    producer.produce("nobody.made.this", b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert errors
    assert errors[0] is not None
    assert "nobody.made.this" not in AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(timeout=5).topics


@pytest.mark.kafka
def test_the_probe_of_readiness_leaves_no_topic(kafka_bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    # The deletion is acknowledged before the broker has forgotten the topic.
    wait_until(lambda: not [name for name in admin.list_topics(timeout=10).topics if name.startswith("local.")])


@pytest.mark.kafka
def test_every_topic_exists_as_the_table_says(kafka_topics: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_topics})
    topics = admin.list_topics(timeout=5).topics
    counts = {name: len(topics[name].partitions) for name in TOPICS}
    assert counts == {spec.name: spec.num_partitions for spec in TOPICS.values()}
    resource = ConfigResource(ResourceType.TOPIC, str(Topic.USER_ACTIVITY))
    config = admin.describe_configs([resource])[resource].result(10)
    assert config["message.timestamp.type"].value == "LogAppendTime"


@pytest.mark.redis
def test_valkey_evicts_only_what_may_expire(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-lru"}
        assert client.set("solaris:test:servers", "here")
        assert client.getdel("solaris:test:servers") == "here"


@pytest.mark.cluster
def test_the_cluster_spreads_keys_over_three_masters(valkey_cluster_nodes: list[str]) -> None:
    assert len(valkey_cluster_nodes) == 3
    ports = [int(node.split(":")[1]) for node in valkey_cluster_nodes]
    nodes = [ClusterNode("127.0.0.1", port) for port in ports]  # type: ignore[no-untyped-call]
    with RedisCluster(startup_nodes=nodes, decode_responses=True) as cluster:
        keys = [f"solaris:test:{index}" for index in range(60)]
        for key in keys:
            cluster.set(key, key)
        owners = {node.port for key in keys if (node := cluster.get_node_from_key(key)) is not None}
        assert owners == set(ports)
        assert [cluster.get(key) for key in keys] == keys
        cluster.delete(*keys)
