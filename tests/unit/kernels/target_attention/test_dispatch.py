"""Which form runs: a rule over shapes."""

from dataclasses import replace

import pytest
import torch

from kernels.target_attention.config import CONFIGS, MAX_SPLITS, config_for, splits_for
from kernels.target_attention.dispatch import Call, Form, form_for
from kernels.target_attention.varlen import has_varlen

MANY = Call(requests=1, candidates=10_000, heads=4, plain=True, ragged=False)


def test_tiles_in_plenty_go_to_the_library() -> None:
    assert form_for(MANY, has_varlen=False) is Form.SDPA
    assert form_for(replace(MANY, candidates=1000), has_varlen=True) is Form.TRITON  # 32 tiles for 132 processors


def test_what_the_library_lacks_stays_ours() -> None:
    assert form_for(replace(MANY, plain=False), has_varlen=True) is Form.TRITON


def test_requests_of_one_length_are_a_batch_and_others_are_packed() -> None:
    equal = replace(MANY, requests=8, candidates=16_000, max_candidates=2000)
    assert form_for(equal, has_varlen=True) is Form.SDPA
    assert form_for(replace(equal, max_candidates=4000), has_varlen=True) is Form.VARLEN
    assert form_for(replace(equal, ragged=True), has_varlen=True) is Form.VARLEN
    assert form_for(replace(equal, ragged=True), has_varlen=False) is Form.TRITON
    assert form_for(replace(equal, max_candidates=None), has_varlen=True) is Form.TRITON  # it would have to be read


def test_the_installed_torch_is_asked_for_varlen() -> None:
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    assert has_varlen(default_scale=True) is (version >= (2, 10))


@pytest.mark.parametrize(
    ("n", "requests", "heads", "keys", "splits"),
    [
        (1000, 1, 4, 1000, 4),  # 64 tiles of 8 blocks: two blocks for each split at least
        (1000, 1, 8, 8192, 3),  # 128 tiles: three times as many fill two for each multiprocessor
        (100, 1, 4, 65_536, MAX_SPLITS),
        (10_000, 1, 4, 1000, 1),
        (500, 1, 4, 17, 1),
        (64, 32, 4, 0, 1),
    ],
)
def test_keys_are_split_where_tiles_are_few(n: int, requests: int, heads: int, keys: int, splits: int) -> None:
    assert splits_for(n, requests, heads, keys, CONFIGS["narrow"]) == splits


def test_tiles_follow_the_width_of_a_head() -> None:
    assert config_for(16, 2, 17) is CONFIGS["short"]
    assert config_for(64, 2, 1000) is CONFIGS["narrow"]
    assert config_for(128, 2, 17) is CONFIGS["wide"]
    assert config_for(256, 2, 1000) is CONFIGS["widest"]
    assert config_for(64, 4, 1000) is CONFIGS["float32"]
