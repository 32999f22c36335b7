"""The monitor keeps its last figures and says why they are old."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from streams.admin import AdminError
from streams.lag.history import LagHistory
from streams.lag.monitor import LagMonitor
from streams.lag.server import lag_app
from streams.lag.settings import LagSettings
from streams.lag.snapshot import GroupState, PartitionState, Place, Snapshot
from tests.waiting import eventually

SETTINGS = LagSettings(interval_s=0.01, window_s=0.1, history_s=1.0, broker_timeout_s=30.0)


class Broker:
    """Answers as told."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self.num_reads = 0

    def read(self) -> Snapshot:
        self.num_reads += 1
        if self.failure is not None:
            raise AdminError(self.failure)
        place = Place("t", 0)
        group = GroupState("EMPTY", 0, {place: 40})
        return Snapshot(1000.0 + self.num_reads, {}, {place: PartitionState(0, 100)}, {"<g>": group})


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def monitor(broker: Broker) -> Iterator[LagMonitor]:
    monitor = LagMonitor(SETTINGS, broker, LagHistory(window_s=0.1, history_s=1.0))
    monitor.start()
    yield monitor
    monitor.stop()


@pytest.fixture
async def client(monitor: LagMonitor) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(lag_app(monitor, SETTINGS))
    async with httpx.AsyncClient(transport=transport, base_url="http://lag") as client:
        yield client


async def test_the_json_names_each_group_with_lag_and_verdict(client: httpx.AsyncClient, broker: Broker) -> None:
    await eventually(lambda: broker.num_reads > 1)
    body = (await client.get("/lag")).json()
    (group,) = body["groups"]
    assert (group["group"], group["lag"], group["verdict"]) == ("<g>", 60, "stopped")
    assert body["error"] is None
    assert set(body["meaning"]) == {"ok", "absent", "slow", "stalled", "stopped"}


async def test_ready_only_while_the_broker_answers_and_the_old_figures_stay(
    client: httpx.AsyncClient, monitor: LagMonitor, broker: Broker
) -> None:
    async def status() -> int:
        return (await client.get("/readyz")).status_code

    async def is_status(wanted: int) -> bool:
        return await status() == wanted

    await eventually(lambda: is_status(200))
    broker.failure = "the broker is away"
    await eventually(lambda: is_status(503))
    assert (await client.get("/readyz")).json()["failures"] == {"kafka": "the broker is away"}
    body = (await client.get("/lag")).json()
    assert body["error"] == "the broker is away"
    assert body["groups"][0]["lag"] == 60
    assert (await client.get("/livez")).status_code == 200
    assert (monitor.registry.get_sample_value("solaris_lag_read_failures_total") or 0) > 0
    broker.failure = None
    await eventually(lambda: is_status(200))


async def test_a_read_that_never_returns_is_noticed(broker: Broker) -> None:
    times = iter([0.0, 0.0])
    monitor = LagMonitor(SETTINGS, broker, LagHistory(window_s=0.1, history_s=1.0), lambda: next(times, 60.0))
    assert monitor.failure() == "nothing has been read yet"
    monitor._read()
    next(times)
    assert monitor.failure() == "the figures are 60 s old: the read has not returned"


async def test_the_page_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "//" not in answer.text.replace("http://www.w3.org/2000/svg", "")


async def test_metrics_parse(client: httpx.AsyncClient, broker: Broker) -> None:
    await eventually(lambda: broker.num_reads > 1)
    text = (await client.get("/metrics")).text
    assert 'kafka_consumergroup_lag{consumergroup="<g>",partition="0",topic="t"} 60.0' in text


@pytest.mark.parametrize(
    "wrong", [{"interval_s": 0.0}, {"window_s": 0.1}, {"history_s": 1.0}, {"port": 70_000}, {"broker_timeout_s": 0.0}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LagSettings(**wrong)  # type: ignore[arg-type]
