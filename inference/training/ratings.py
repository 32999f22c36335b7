"""A folder of ratings: `ratings.dat` (`user::movie::rating::unix seconds`) and `movies.dat` (`movie::title::genres`).

Any folder of that shape works: ids are strings, ratings are on any scale, bytes that are not UTF-8 are read as
Latin-1, unknown or missing genres are allowed, movies that are only rated have no features.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtime.ids import ItemId, UserId, check_id
from streams.wire.events import FeatureValue

_YEAR = re.compile(r"^(.*)\((\d{4})\)\s*$")
MAX_LABEL_CHARACTERS = 256
MAX_TIME_S = 4_000_000_000_000


@dataclass(frozen=True, slots=True)
class Rating:
    """One line of `ratings.dat`."""

    user: UserId
    item: ItemId
    value: float
    time_ms: int


def read_movies(folder: Path) -> dict[ItemId, dict[str, FeatureValue]]:
    """Features of every movie: title, year, genres; ValueError names the line that cannot be read."""
    movies: dict[ItemId, dict[str, FeatureValue]] = {}
    for place, line in _lines(folder / "movies.dat"):
        item, _, rest = line.partition("::")
        title, _, genres = rest.rpartition("::") if "::" in rest else (rest, "", "")
        features: dict[str, FeatureValue] = {}
        match = _YEAR.match(title)
        if match:
            features["year"] = int(match[2])
        name = (match[1] if match else title).strip()[:MAX_LABEL_CHARACTERS]
        if name:
            features["title"] = name
        listed = [genre.strip() for genre in genres.split("|") if genre.strip()]
        if listed:
            features["genres"] = listed
        movies[_item(item, place)] = features
    return movies


def read_ratings(folder: Path) -> list[Rating]:
    """Every rating by time; ValueError names the line that cannot be read."""
    ratings = []
    for place, line in _lines(folder / "ratings.dat"):
        fields = line.split("::")
        if len(fields) != 4:
            raise ValueError(f"{place}: expected user::movie::rating::unix seconds, found {line[:80]!r}")
        try:
            value, seconds = float(fields[2]), int(float(fields[3]))
        except (ValueError, OverflowError):
            raise ValueError(f"{place}: rating and time must be numbers, found {line[:80]!r}") from None
        if not (abs(value) <= 1e9 and 0 <= seconds <= MAX_TIME_S):
            raise ValueError(f"{place}: rating or time out of range in {line[:80]!r}")
        try:
            user = UserId(check_id("user", fields[0]))
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        ratings.append(Rating(user, _item(fields[1], place), value, seconds * 1000))
    if not ratings:
        raise ValueError(f"{folder / 'ratings.dat'} has no ratings")
    return sorted(ratings, key=lambda rating: rating.time_ms)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{path} line {number}", line.rstrip("\r")


def _item(text: str, place: str) -> ItemId:
    try:
        return ItemId(check_id("movie", text))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
