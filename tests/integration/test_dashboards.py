"""Every dashboard query and every alert runs on a real Prometheus that scrapes what the processes really expose."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.ports import free_port
from local.server import running
from tests.dashboards import ALERTS, DASHBOARDS, Panel, panels, variable_queries, with_values
from tests.integration.expositions import LagExposition, agent_exposition, ranker_exposition, serving
from tests.waiting import wait_until

SCRAPE_S = 0.5
RATE_INTERVAL = "3s"
NUM_SCRAPES = 5  # a rate over RATE_INTERVAL and a slope want a few
FIRST_SCRAPE_S = 90.0  # Prometheus itself waits 5 s before its first
AGENT_PATH, LAG_PATH, RANKER_PATH = "/agents", "/lag", "/ranker"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Prometheus is not installed; `make tools` installs Debian's"
    ),
]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A real one on loopback with its data in `folder`."""

    folder: Path
    port: int
    scraped_port: int

    @property
    def name(self) -> str:
        return "prometheus"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        jobs = [("ranker", RANKER_PATH, {}), ("lag", LAG_PATH, {}), ("agents", AGENT_PATH, {"agent": "user-refresh"})]
        config = {
            "global": {"scrape_interval": f"{SCRAPE_S * 1000:.0f}ms", "evaluation_interval": "500ms"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [
                {
                    "job_name": job,
                    "metrics_path": path,
                    "static_configs": [{"targets": [f"127.0.0.1:{self.scraped_port}"], "labels": labels}],
                }
                for job, path, labels in jobs
            ],
        }
        (self.folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML

    def command(self) -> list[str]:
        return [
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=1.0).status_code == 200
        except httpx.HTTPError:
            return False

    def ask(self, path: str, **parameters: str | float) -> Any:  # Any: JSON
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10.0)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def instant(self, query: str) -> list[dict[str, Any]]:
        """Series with one value each."""
        series: list[dict[str, Any]] = self.ask("query", query=query)["result"]
        return series


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """With a few scrapes of each process in it."""
    folder = tmp_path_factory.mktemp("prometheus")
    bodies: dict[str, Callable[[], bytes]] = {
        RANKER_PATH: ranker_exposition,
        AGENT_PATH: agent_exposition,
        LAG_PATH: LagExposition(),
    }
    with (
        serving(bodies) as scraped_port,
        running(lambda: Prometheus(folder, free_port(), scraped_port), folder / "prometheus.log") as server,
    ):
        enough = (
            f"count(count_over_time(up[1m]) >= {NUM_SCRAPES}) == {len(bodies)} and on () (sum(up) == {len(bodies)})"
        )
        wait_until(lambda: server.instant(enough), FIRST_SCRAPE_S)
        yield server


def numbers(series: list[dict[str, Any]]) -> list[float]:
    """All values of instant or range series."""
    pairs = [pair for one in series for pair in (one["values"] if "values" in one else [one["value"]])]
    return [float(value) for _, value in pairs]


@pytest.mark.parametrize("panel", panels(), ids=[panel.id for panel in panels()])
def test_every_query_of_the_panel_shows_something(panel: Panel, prometheus: Prometheus) -> None:
    for target in panel.json["targets"]:
        query = with_values(target["expr"], RATE_INTERVAL)

        def shown(query: str = query, instant: bool = target.get("instant", False)) -> bool:
            """Scrapes that were late for the rate of a moment are there for that of the next."""
            now = time.time()
            series = (
                prometheus.instant(query)
                if instant
                else prometheus.ask("query_range", query=query, start=now - 2, end=now, step=0.5)["result"]
            )
            return any(math.isfinite(value) for value in numbers(series))

        try:
            wait_until(shown)
        except AssertionError:
            raise AssertionError(f"no number: {query}") from None


@pytest.mark.parametrize("path", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
def test_every_variable_has_values_to_choose_from(path: Path, prometheus: Prometheus) -> None:
    queries = variable_queries(path)
    assert queries
    for metric, label in queries:
        assert prometheus.ask(f"label/{label}/values", **{"match[]": metric}), f"{metric} has no {label}"


def test_a_query_over_a_misspelt_metric_would_be_noticed(prometheus: Prometheus) -> None:
    assert prometheus.instant("solaris_ranker_in_flight_requests")
    assert not prometheus.instant("solaris_ranker_in_flight_request")


def test_every_alert_is_evaluated_without_error(prometheus: Prometheus) -> None:
    def evaluated() -> list[dict[str, Any]]:
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else []

    rules = wait_until(evaluated, 60)
    assert {rule["health"] for rule in rules} == {"ok"}
