"""The dashboards' shape: what a person needs to read a panel, and names that exist. Their queries run in
tests/integration/test_dashboards.py."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from inference.serving import errors
from streams.lag.rules import Verdict
from streams.wire.topics import TOPICS
from tests.contract.compose import ROOT, services
from tests.dashboards import DASHBOARDS, Panel, alert_expressions, panels, read_dashboard, with_values
from tests.metrics_table import declared_rows, metric_modules

BASES = {row.name for module in metric_modules() for row in declared_rows(module)}
SUFFIXES = ("_bucket", "_sum", "_count")

every_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
every_panel = pytest.mark.parametrize("panel", panels(), ids=[panel.id for panel in panels()])


def metric_names(expression: str) -> set[str]:
    """The names of ours, kafka_exporter's and the client's in a query."""
    return set(re.findall(r"\b(?:solaris|kafka|process)_\w+", expression))


def is_declared(name: str) -> bool:
    return (
        name.startswith("process_") or name in BASES or any(name.removesuffix(suffix) in BASES for suffix in SUFFIXES)
    )


def test_there_are_two_dashboards() -> None:
    assert [path.stem for path in DASHBOARDS] == ["lag", "overview"]


@every_panel
def test_a_panel_says_what_it_shows(panel: Panel) -> None:
    assert panel.json["title"]
    assert panel.json["description"].endswith(".")
    assert panel.json["fieldConfig"]["defaults"]["unit"]
    assert panel.json["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel.expressions


@every_panel
def test_every_query_is_promql_over_metrics_that_exist(panel: Panel) -> None:
    for expression in panel.expressions:
        promql_parser.parse(with_values(expression))
        names = metric_names(expression)
        assert names
        assert not [name for name in names if not is_declared(name)]


@every_panel
def test_rates_follow_the_scrape_interval(panel: Panel) -> None:
    unquoted = [re.sub(r'"[^"]*"', '""', expression) for expression in panel.expressions]
    windows = {window for expression in unquoted for window in re.findall(r"\[([^\]]+)\]", expression)}
    assert windows <= {"$__rate_interval", "1h"}


@every_dashboard
def test_no_two_panels_overlap_or_leave_the_grid(path: Path) -> None:
    places = [panel["gridPos"] for panel in read_dashboard(path)["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, f"{one} and {other}"


@every_dashboard
def test_ids_are_unique_and_every_variable_is_declared(path: Path) -> None:
    dashboard = read_dashboard(path)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    declared = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = {name for panel in panels() if panel.path == path for e in panel.expressions for name in variables_in(e)}
    assert "datasource" in declared
    assert used == declared - {"datasource"}


def variables_in(expression: str) -> set[str]:
    return set(re.findall(r"\$\{?([a-z]\w*)", expression)) - {"__rate_interval"}


def test_the_links_lead_to_dashboards_that_exist() -> None:
    uids = {read_dashboard(path)["uid"] for path in DASHBOARDS}
    links = {link["url"] for path in DASHBOARDS for link in read_dashboard(path)["links"]}
    assert links == {f"/d/{uid}" for uid in uids}


def provisioning(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "grafana" / "provisioning" / path).read_text())
    return content


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    (source,) = provisioning("datasources/prometheus.yml")["datasources"]
    port = services()["prometheus"]["ports"][0].rpartition(":")[2]
    assert source["url"] == f"http://prometheus:{port}"
    assert source["isDefault"] is True
    (provider,) = provisioning("dashboards/solaris.yml")["providers"]
    mounted = dict(volume.split(":")[:2] for volume in services()["grafana"]["volumes"])
    assert mounted["./docker/grafana/dashboards"] == provider["options"]["path"]
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/overview.json"


def test_prometheus_scrapes_every_process_on_its_port() -> None:
    config = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text())
    scraped: dict[str, int] = {}
    for job in config["scrape_configs"]:
        for found in job.get("dns_sd_configs", []):
            scraped |= dict.fromkeys(found["names"], found["port"])
        for found in job.get("static_configs", []):
            scraped |= {host: int(port) for host, _, port in (target.partition(":") for target in found["targets"])}
    served = {
        name: int(value)
        for name, service in services().items()
        for variable, value in service.get("environment", {}).items()
        if variable.startswith("SOLARIS_") and variable.endswith("_PORT")
    }
    assert {name: port for name, port in scraped.items() if name != "127.0.0.1"} == served


@pytest.mark.parametrize("alert", alert_expressions(), ids=[name for name, _ in alert_expressions()])
def test_every_alert_is_about_metrics_that_exist(alert: tuple[str, str]) -> None:
    _, expression = alert
    assert not [name for name in metric_names(expression) if not is_declared(name)]


def test_every_topic_with_a_retention_is_alerted_on_at_half_of_it() -> None:
    expression = dict(alert_expressions())["LagNearsRetention"]
    halves = {
        topic: int(seconds)
        for topics, seconds in re.findall(r'topic=~"([^"]+)"\} > (\d+)', expression)
        for topic in topics.split("|")
    }
    expected = {s.name: s.retention_ms // 2000 for s in TOPICS.values() if s.retention_ms and ".dlq" not in s.name}
    assert halves == expected


def test_the_label_values_that_are_asked_for_are_values_that_the_code_gives() -> None:
    refusals = [make.__name__ for make in (errors.not_ready, errors.past_deadline, errors.overloaded)]
    known: dict[str, set[str]] = {
        "verdict": set(Verdict),
        "outcome": {*refusals, "internal"},
        "job": {"ranker", "agents", "lag"},
        "topic": {*TOPICS, ".+[.]dlq", ".*"},
        "instance": {".*"},
        "consumergroup": {".*"},
    }
    queries = [with_values(expression) for panel in panels() for expression in panel.expressions]
    for query in [*queries, *(expression for _, expression in alert_expressions())]:
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', query):
            assert set(values.split("|")) <= known[label], f"{label} in {query}"
