"""A folder in the shape of MovieTweetings: `movies.dat` and `ratings.dat`, fields between `::`.

`movie::title (year)::genre|genre` and `user::movie::rating::unix seconds`. Ids are any strings, ratings of any scale,
genres of any name. A line that cannot be read is counted with its place and passed over.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from runtime.ids import ItemId, UserId, check_id
from streams.wire.events import MAX_TIME_MS, Activity, FeatureValue, ItemUpdate

T = TypeVar("T")

NUM_EXAMPLES = 5  # bad lines kept word for word in the report, by place and reason
_YEAR = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-/\u2013]\d{0,4})?\)\s*$")
_NO_GENRES = frozenset({"", "(no genres listed)", "n/a", "unknown"})
_MAX_RATING = 1e9


@dataclass(frozen=True, slots=True)
class Movie:
    """One line of `movies.dat`."""

    item_id: ItemId
    title: str
    year: int | None
    genres: tuple[str, ...]

    @property
    def features(self) -> dict[str, FeatureValue]:
        """As the item topic carries them; what is unknown is left out."""
        features: dict[str, FeatureValue] = {"title": self.title, "genres": list(self.genres)}
        return features if self.year is None else features | {"year": self.year}


@dataclass(frozen=True, slots=True)
class Rating:
    """One line of `ratings.dat`."""

    user_id: UserId
    item_id: ItemId
    value: float
    time_ms: int


@dataclass(slots=True)
class BadLines:
    """What could not be read: how many lines, and the first few by place and reason."""

    num_lines: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, file: str, number: int, why: str) -> None:
        """Count one."""
        self.num_lines += 1
        if len(self.examples) < NUM_EXAMPLES:
            self.examples.append(f"{file}:{number}: {why}")


def read_movies(folder: Path, bad: BadLines) -> list[Movie]:
    """The movies in file order, the last line of an id; raises OSError if the file is missing."""
    return list({movie.item_id: movie for movie in _parse(folder / "movies.dat", _movie, bad)}.values())


def read_ratings(folder: Path, bad: BadLines) -> list[Rating]:
    """The ratings in time order (file order at the same second); raises OSError if the file is missing."""
    return sorted(_parse(folder / "ratings.dat", _rating, bad), key=lambda rating: rating.time_ms)


def item_update(movie: Movie, event_time_ms: int) -> ItemUpdate:
    """The event of a movie; its id changes only with its content."""
    event_id = _event_id("movie", movie.item_id, movie.title, str(movie.year), *movie.genres)
    return ItemUpdate(event_id=event_id, event_time_ms=event_time_ms, item_id=movie.item_id, features=movie.features)


def rating_activity(rating: Rating, event_time_ms: int) -> Activity:
    """The event of a rating at its mapped time; its id depends on the source alone, so a second replay adds nothing."""
    return Activity(
        event_id=_event_id("rating", rating.user_id, rating.item_id, repr(rating.value), str(rating.time_ms)),
        event_time_ms=event_time_ms,
        user_id=rating.user_id,
        item_id=rating.item_id,
        kind="rating",
        value=rating.value,
        source_time_ms=rating.time_ms,
    )


def map_time_ms(source_ms: int, first_ms: int, last_ms: int, end_ms: int, speed_up: float = 1.0) -> int:
    """Where `source_ms` of [first, last] falls in an interval `speed_up` times shorter that ends at `end_ms`.

    Order is kept. An interval longer than the time since 1970 is squeezed to fit.
    """
    scale = 1.0 / speed_up
    span_ms = last_ms - first_ms
    if span_ms * scale > end_ms:
        scale = end_ms / span_ms
    return max(0, end_ms - round((last_ms - source_ms) * scale))


def _parse(path: Path, parse: Callable[[str], T], bad: BadLines) -> Iterator[T]:
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            line = _text(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).strip("\r\n")
            if not line.strip():
                continue
            try:
                yield parse(line)
            except ValueError as error:
                bad.add(path.name, number, str(error))


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:  # older folders of this shape are Latin-1
        return raw.decode("latin-1")


def _movie(line: str) -> Movie:
    fields = line.split("::")
    if len(fields) < 2:
        raise ValueError(f"{len(fields)} fields where movie::title (year)::genres are expected")
    item_id, genres_text = fields[0].strip(), fields[-1] if len(fields) > 2 else ""
    title_text = "::".join(fields[1:-1] if len(fields) > 2 else fields[1:]).strip()  # a title may hold the mark
    match = _YEAR.match(title_text)
    genres = dict.fromkeys(genre.strip() for genre in genres_text.split("|"))
    return Movie(
        item_id=ItemId(check_id("movie", item_id)),
        title=match["title"] if match else title_text,
        year=int(match["year"]) if match else None,
        genres=tuple(genre for genre in genres if genre.lower() not in _NO_GENRES),
    )


def _rating(line: str) -> Rating:
    fields = [part.strip() for part in line.split("::")]
    if len(fields) != 4:
        raise ValueError(f"{len(fields)} fields where user::movie::rating::seconds are expected")
    user_id, item_id, value_text, seconds_text = fields
    value, seconds = _number("rating", value_text), _number("time", seconds_text)
    if abs(value) > _MAX_RATING:
        raise ValueError("rating is beyond 1e9")
    if abs(seconds) * 1000 > MAX_TIME_MS:
        raise ValueError("time is not in seconds since 1970")
    return Rating(
        user_id=UserId(check_id("user", user_id)),
        item_id=ItemId(check_id("movie", item_id)),
        value=value,
        time_ms=round(seconds * 1000),
    )


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} is not finite")
    return number


def _event_id(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
