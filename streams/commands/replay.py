"""`python -m streams replay --movietweetings DIR`: real ratings as if they were happening now."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from runtime.clock import now_ms
from runtime.command_line import above_zero, at_least_one
from runtime.settings import kafka_settings
from streams.commands.sending import BrokerAway, Outgoing, closing, progress, report, send_when_room
from streams.wire.movietweetings import (
    BadLines,
    Movie,
    Rating,
    item_update,
    map_time_ms,
    rating_activity,
    read_movies,
    read_ratings,
)
from streams.wire.producer import Producer, ProducerFailed
from streams.wire.reach import reach
from streams.wire.topics import Topic

SOURCE = "solaris/replay"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "replay",
        description="Send a folder in the shape of MovieTweetings: movies.dat (movie::title (year)::genres) becomes "
        "item updates, ratings.dat (user::movie::rating::unix seconds) becomes activity of kind rating, in time order. "
        "The time they span is mapped onto an interval that ends now; source_time_ms keeps the original. Ids are made "
        "from the source, so that replaying the same folder again changes no history. Lines that cannot be read are "
        "counted, reported and passed over.",
    )
    parser.add_argument("--movietweetings", required=True, type=Path, metavar="DIR", help="the folder")
    speed = parser.add_mutually_exclusive_group()
    speed.add_argument(
        "--speed-up",
        type=above_zero,
        metavar="N",
        help="compress time N-fold and send each rating when its moment comes; the last one is sent now",
    )
    speed.add_argument(
        "--as-fast-as-possible",
        action="store_true",
        help="send everything at once, intervals as long as they were (the default)",
    )
    parser.add_argument("--first", type=at_least_one, metavar="N", help="only the first N ratings in time order")
    parser.add_argument("--json", action="store_true", help="one JSON object with the outcome instead of lines")


def run(args: argparse.Namespace) -> int:
    """Status 0 if all that could be read was delivered, 1 if not, 2 if there is nothing to send."""
    bad = BadLines()
    try:
        movies = read_movies(args.movietweetings, bad)
        ratings = read_ratings(args.movietweetings, bad)[: args.first]
    except OSError as error:
        print(f"replay: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    for example in bad.examples:
        print(f"replay: passed over {example}", file=sys.stderr)
    if not ratings:
        print(f"replay: no rating in {args.movietweetings / 'ratings.dat'} can be read", file=sys.stderr)
        return 2
    records = _records(movies, ratings, args.speed_up)
    with closing(Producer(reach(kafka_settings()), source=SOURCE)) as producer:
        try:
            for record in progress(records, len(movies) + len(ratings), "replaying"):
                send_when_room(producer, record)
        except (BrokerAway, ProducerFailed) as error:
            print(f"replay: {error}", file=sys.stderr)
            return 1
        known = {movie.item_id for movie in movies}
        complete = report(
            producer,
            as_json=args.json,
            movies=len(movies),
            ratings=len(ratings),
            users=len({rating.user_id for rating in ratings}),
            ratings_of_unknown_movies=sum(rating.item_id not in known for rating in ratings),
            bad_lines=bad.num_lines,
        )
    return 0 if complete else 1


def _records(movies: list[Movie], ratings: list[Rating], speed_up: float | None) -> Iterator[Outgoing]:
    """Movies first, so that an item is known when it is rated; then ratings, with a speed-up each in its time."""
    start_ms = now_ms()
    for movie in movies:
        yield Outgoing.of(Topic.ITEM_UPDATES, item_update(movie, start_ms), SOURCE)
    first_ms, last_ms = ratings[0].time_ms, ratings[-1].time_ms
    end_ms = now_ms()
    if speed_up is not None:
        end_ms += round((last_ms - first_ms) / speed_up)
    for rating in ratings:
        event_time_ms = map_time_ms(rating.time_ms, first_ms, last_ms, end_ms, speed_up or 1.0)
        if speed_up is not None:
            time.sleep(max(0.0, event_time_ms / 1000 - time.time()))
        yield Outgoing.of(Topic.USER_ACTIVITY, rating_activity(rating, event_time_ms), SOURCE)
