"""The provisioned dashboards and alert rules as values: panels, their queries, variables put in."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
DASHBOARDS = sorted((ROOT / "docker" / "grafana" / "dashboards").glob("*.json"))
ALERTS = ROOT / "docker" / "prometheus" / "alerts.yml"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `json` as Grafana reads it."""

    path: Path
    json: dict[str, Any]  # Any: JSON

    @property
    def id(self) -> str:
        return f"{self.path.stem}: {self.json['title']}"

    @property
    def expressions(self) -> list[str]:
        """Its queries, with variables."""
        return [target["expr"] for target in self.json["targets"]]


def read_dashboard(path: Path) -> dict[str, Any]:
    """The file."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def panels() -> list[Panel]:
    """Every panel of every dashboard but the rows' titles."""
    return [Panel(path, p) for path in DASHBOARDS for p in read_dashboard(path)["panels"] if p["type"] != "row"]


def with_values(expression: str, rate_interval: str = "20s") -> str:
    """Variables replaced as Grafana does with "All"; no other variable may be left."""
    replaced = expression.replace("$__rate_interval", rate_interval)
    replaced = re.sub(r'=~"\$(instance|group|topic)"', '=~".*"', replaced)
    assert "$" not in replaced, f"an unknown variable in {replaced}"
    return replaced


def variable_queries(path: Path) -> list[tuple[str, str]]:
    """Metric and label of each `label_values(metric, label)` of the dashboard."""
    found = []
    for variable in read_dashboard(path)["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
            assert match, f"{variable['query']['query']} is not label_values(metric, label)"
            found.append((match[1], match[2]))
    return found


def alert_expressions() -> list[tuple[str, str]]:
    """Name and query of each alert."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]
