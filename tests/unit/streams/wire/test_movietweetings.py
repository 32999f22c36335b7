"""Folders of the shape of MovieTweetings, also those that are not MovieTweetings."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from streams.wire.codec import Rejection, decode_value, encode
from streams.wire.movietweetings import (
    BadLines,
    item_update,
    map_time_ms,
    rating_activity,
    read_movies,
    read_ratings,
)
from streams.wire.topics import Topic

NOW_MS = 1_795_254_253_058


def folder(tmp_path: Path, movies: bytes = b"", ratings: bytes = b"") -> Path:
    (tmp_path / "movies.dat").write_bytes(movies)
    (tmp_path / "ratings.dat").write_bytes(ratings)
    return tmp_path


def test_a_movie_line_gives_title_year_and_genres(tmp_path: Path) -> None:
    bad = BadLines()
    lines = "0002844::Fantômas - À l'ombre (1913)::Crime|Drama\n"
    (movie,) = read_movies(folder(tmp_path, lines.encode()), bad)
    assert movie.item_id == "0002844"
    assert movie.features == {"title": "Fantômas - À l'ombre", "year": 1913, "genres": ["Crime", "Drama"]}
    assert bad.num_lines == 0


def test_movies_without_year_or_genres_or_with_the_mark_in_the_title_are_read(tmp_path: Path) -> None:
    lines = (
        b"\xef\xbb\xbfa::No Year::\nb::Only a title\n"
        b"c::Mission:: Again (2001)::Ac-tion|??|Ac-tion\nd::(no genres)::(no genres listed)\n"
    )
    movies = {movie.item_id: movie.features for movie in read_movies(folder(tmp_path, lines), BadLines())}
    assert movies == {
        "a": {"title": "No Year", "genres": []},
        "b": {"title": "Only a title", "genres": []},
        "c": {"title": "Mission:: Again", "year": 2001, "genres": ["Ac-tion", "??"]},
        "d": {"title": "(no genres)", "genres": []},
    }


def test_latin_1_is_read(tmp_path: Path) -> None:
    (movie,) = read_movies(folder(tmp_path, "1::Amélie (2001)::Comedy\n".encode("latin-1")), BadLines())
    assert movie.title == "Amélie"


def test_ratings_come_in_time_order_with_any_ids_and_scales(tmp_path: Path) -> None:
    lines = b"anna-k::tt-9::0.5::900000000\nb::1::-3::100\nanna-k::1::97.5::500.25\n"
    ratings = read_ratings(folder(tmp_path, ratings=lines), BadLines())
    assert [(r.user_id, r.item_id, r.value, r.time_ms) for r in ratings] == [
        ("b", "1", -3.0, 100_000),
        ("anna-k", "1", 97.5, 500_250),
        ("anna-k", "tt-9", 0.5, 900_000_000_000),
    ]


def test_bad_lines_are_counted_with_their_place_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = (
        b"1::2::3\n1::2::three::4\n1::2::nan::4\n::2::3::4\n1::2::3::9e99\n\n1::2::3::4\n" + b"x" * 300 + b"::2::3::4\n"
    )
    bad = BadLines()
    assert len(read_ratings(folder(tmp_path, ratings=lines), bad)) == 1
    assert bad.num_lines == 6
    assert bad.examples[0] == "ratings.dat:1: 3 fields where user::movie::rating::seconds are expected"
    assert bad.examples[1] == "ratings.dat:2: rating is not a number"


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_file_makes_reading_raise_and_what_is_read_is_a_legal_event(lines: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        where = folder(Path(name), b"\n".join(lines), b"\n".join(b"1::2::" + line for line in lines))
        for movie in read_movies(where, BadLines()):
            value = encode(item_update(movie, NOW_MS))
            assert not isinstance(decode_value(Topic.ITEM_UPDATES, value), Rejection)
        for rating in read_ratings(where, BadLines()):
            value = encode(rating_activity(rating, NOW_MS))
            assert not isinstance(decode_value(Topic.USER_ACTIVITY, value), Rejection)


def test_a_second_replay_has_the_same_ids_whenever_it_happens(tmp_path: Path) -> None:
    lines = b"1::2::3::4\n1::2::3::5\n1::2::4::4\n"
    first, again = (read_ratings(folder(tmp_path, ratings=lines), BadLines()) for _ in range(2))
    ids = [rating_activity(rating, 1).event_id for rating in first]
    assert ids == [rating_activity(rating, 2).event_id for rating in again]
    assert len(set(ids)) == 3


@given(st.lists(st.integers(-(10**12), 4 * 10**12), min_size=1, max_size=20), st.floats(1, 1e6))
def test_mapped_times_keep_their_order_and_end_now(times: list[int], speed_up: float) -> None:
    times.sort()
    mapped = [map_time_ms(time, times[0], times[-1], NOW_MS, speed_up) for time in times]
    assert mapped == sorted(mapped)
    assert mapped[-1] == NOW_MS
    assert mapped[0] >= 0


def test_intervals_keep_their_length_or_shrink_by_the_speed_up() -> None:
    assert map_time_ms(1_000, 0, 10_000, NOW_MS) == NOW_MS - 9_000
    assert map_time_ms(1_000, 0, 10_000, NOW_MS, speed_up=10) == NOW_MS - 900
