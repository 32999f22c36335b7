from pathlib import Path

import numpy as np
import pytest

from inference.training.next_item import TEST_NEGATIVES, TRAIN_NEGATIVES, next_item_dataset
from inference.training.ratings import Rating, read_movies, read_ratings
from runtime.ids import ItemId, UserId


def write(folder: Path, ratings: bytes, movies: bytes = b"") -> Path:
    (folder / "ratings.dat").write_bytes(ratings)
    (folder / "movies.dat").write_bytes(movies)
    return folder


def test_movies_have_title_year_and_genres_where_they_are_known(tmp_path: Path) -> None:
    folder = write(tmp_path, b"", b"1::The Bank (1915)::Comedy|Short\r\nx y::No Year::\n2::A :: B (2001)::\n3::Old\n")
    assert read_movies(folder) == {
        "1": {"title": "The Bank", "year": 1915, "genres": ["Comedy", "Short"]},
        "x y": {"title": "No Year"},
        "2": {"title": "A :: B", "year": 2001},
        "3": {"title": "Old"},
    }


def test_bytes_that_are_not_utf_8_are_read_as_latin_1(tmp_path: Path) -> None:
    assert read_movies(write(tmp_path, b"", b"1::Am\xe9lie (2001)::Drama\n"))[ItemId("1")]["title"] == "Amélie"


def test_ratings_are_sorted_by_time_and_may_have_string_ids_and_halves(tmp_path: Path) -> None:
    ratings = read_ratings(write(tmp_path, b"bob::m2::3.5::200\nann::m1::1::100.0\n"))
    assert ratings == [
        Rating(UserId("ann"), ItemId("m1"), 1.0, 100_000),
        Rating(UserId("bob"), ItemId("m2"), 3.5, 200_000),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"1::2::3", "line 1: expected user::movie"),
        (b"1::2::good::5", "must be numbers"),
        (b"1::2::nan::5", "out of range"),
        (b"1::2::3::-5", "out of range"),
        (b"::2::3::5", "user is empty"),
        (b"1::::3::5", "movie is empty"),
        (b"\n", "no ratings"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_ratings(write(tmp_path, line))


def test_negatives_are_never_what_the_user_has_rated_and_later_rows_have_more() -> None:
    rng = np.random.default_rng(0)
    ratings = [
        Rating(UserId(f"u{rng.integers(20)}"), ItemId(f"m{rng.integers(80)}"), 5.0, 1000 * at) for at in range(400)
    ]
    data = next_item_dataset(ratings, {}, 4, train_share=0.8)
    data.check()
    counts = np.diff(data.offsets)
    assert set(counts) == {TRAIN_NEGATIVES + 1, TEST_NEGATIVES + 1}
    assert (np.diff(counts) >= 0).all()
    for request in range(data.num_requests):
        first, last = data.offsets[request], data.offsets[request + 1]
        assert data.clicked[first:last].tolist() == [1.0] + [0.0] * (last - first - 1)
        assert data.weight[first:last].sum() == pytest.approx(1 + TRAIN_NEGATIVES)
        before = (data.event_user == data.request_user[request]) & (data.event_time_ms <= data.request_time_ms[request])
        assert not set(data.cand_item[first + 1 : last]) & set(data.event_item[before])


def test_a_handful_of_ratings_is_enough() -> None:
    ratings = [Rating(UserId("u"), ItemId(f"m{at}"), 1.0, at) for at in range(3)]
    next_item_dataset(ratings, {}, 4, train_share=0.5).check()
