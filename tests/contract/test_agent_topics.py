"""The lag monitor knows the agents' groups and topics by a table of its own; it must say what the agents do."""

import ast
import re
from pathlib import Path

import pytest

from streams.lag.groups import AGENT_TOPICS
from streams.wire.topics import Topic

STREAMS = Path(__file__).parents[2] / "streams"


def topics_of(source: str) -> set[Topic]:
    """The members of Topic named in the module's `TOPICS = (...)`."""
    for node in ast.parse(source).body:
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if "TOPICS" in names:
            found = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
            return {Topic[name] for name in found if name in Topic.__members__}
    raise AssertionError("no TOPICS in the module")


@pytest.mark.parametrize("group", AGENT_TOPICS)
def test_the_monitor_watches_what_the_agent_reads(group: str) -> None:
    module = STREAMS / (group.removeprefix("solaris.").replace("-", "_") + ".py")
    source = module.read_text()
    assert re.search(rf'AgentSpec\(\s*"{group.removeprefix("solaris.")}"', source)
    assert topics_of(source) == set(AGENT_TOPICS[group])
