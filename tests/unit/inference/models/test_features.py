import math

import numpy as np
import torch

from inference.models.features import MAX_DEVIATIONS, MAX_TOKENS, encode_features, fit_spec
from inference.models.hashing import hash64, token_id

ITEMS = [{"genres": ["Drama", "War"], "year": 1990}, {"genres": ["Drama"], "year": 2010, "title": "x"}]


def test_numbers_and_tokens_are_told_apart_and_numbers_standardised() -> None:
    spec = fit_spec(ITEMS, 64)
    assert spec.token_names == ("genres", "title")
    encoded = encode_features(spec, ITEMS)
    assert encoded.numbers.tolist() == [[-1.0, 1.0], [1.0, 1.0]]
    assert encoded.offsets.tolist() == [0, 2, 4]
    assert encoded.tokens[0] == token_id("genres", "Drama", 64)


def test_unknown_names_wrong_types_and_odd_numbers_are_ignored() -> None:
    spec = fit_spec(ITEMS, 64)
    odd: list[dict[str, object]] = [
        {"colour": "red"},
        {"year": "1990", "genres": 7},
        {"year": math.nan},
        {"year": math.inf},
        {"year": True},
        {},
    ]
    encoded = encode_features(spec, odd)
    assert len(encoded.tokens) == 0
    assert not encoded.numbers.any()


def test_an_absurd_number_and_an_endless_list_are_cut() -> None:
    spec = fit_spec(ITEMS, 64)
    encoded = encode_features(spec, [{"year": 10**9, "genres": [f"g{k}" for k in range(500)]}])
    assert float(encoded.numbers[0, 0]) == MAX_DEVIATIONS
    assert len(encoded.tokens) == MAX_TOKENS


def test_hashes_are_fixed_for_ever() -> None:
    assert hash64("item-1") == hash64("item-1") != hash64("item-2")
    assert hash64("") == -5426141060434712860
    assert all(1 <= token_id("a", str(k), 8) < 8 for k in range(100))


def test_the_spec_needs_no_items() -> None:
    encoded = encode_features(fit_spec([], 64), [{"a": "b"}])
    assert encoded.numbers.shape == (1, 0)
    assert torch.equal(encoded.offsets, torch.tensor([0, 0]))
    assert encoded.numbers.numpy().dtype == np.float32
