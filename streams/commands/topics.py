"""`python -m streams topics`: create, check, list."""

import argparse
import json
import sys

from runtime.settings import kafka_settings
from streams.admin import Admin, AdminError, compare_topic
from streams.wire.reach import reach
from streams.wire.topics import TOPICS


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser("topics", description="Create the topics, or check that they are there and right.")
    parser.add_argument("--create", action="store_true", help="create the topics that are missing, then check all")
    parser.add_argument("--check", action="store_true", help="check only (also the default); status 1 if one is wrong")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Status 0 if every topic exists and is right, 1 if not, or if the broker refuses the question."""
    if args.create and args.check:
        print("topics: --create already checks; --check alone changes nothing", file=sys.stderr)
        return 2
    try:
        admin = Admin(reach(kafka_settings()))
        created = admin.create_topics() if args.create else []
        states = admin.topic_states(TOPICS)
    except AdminError as error:
        print(f"topics: {error}", file=sys.stderr)
        return 1
    problems = {name: compare_topic(spec, states.get(name)) for name, spec in TOPICS.items()}
    if args.json:
        rows = [
            {
                "topic": name,
                "created": name in created,
                "num_partitions": states[name].num_partitions if name in states else None,
                "policy": spec.config["cleanup.policy"],
                "key": spec.key,
                "problems": [problem.problem for problem in problems[name]],
            }
            for name, spec in TOPICS.items()
        ]
        print(json.dumps({"ok": not any(problems.values()), "topics": rows}))
    else:
        for name, spec in TOPICS.items():
            state = "WRONG" if problems[name] else "created" if name in created else "ok"
            print(f"{name:<32} {spec.num_partitions:>2} partitions  {spec.config['cleanup.policy']:<8} {state}")
        for problem in (problem for found in problems.values() for problem in found):
            print(f"  {problem}", file=sys.stderr)
    return 1 if any(problems.values()) else 0
