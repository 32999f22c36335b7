"""Tiles and splits of the Triton form, chosen by shape: pure rules, nothing is measured at run time."""

from dataclasses import dataclass
from math import ceil

from kernels.hopper import ENOUGH_PROGRAMS

MAX_SPLITS = 32


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of candidates and of keys, and how it is run."""

    rows: int
    keys: int
    num_warps: int
    num_stages: int


CONFIGS = {
    "short": Config(64, 32, 4, 2),  # a few tokens of a user instead of a history
    "narrow": Config(64, 128, 4, 3),  # heads up to 64 wide
    "wide": Config(128, 64, 8, 3),  # heads of 128
    "widest": Config(64, 64, 8, 2),  # heads of 256
    "float32": Config(32, 32, 8, 2),  # without matrix instructions: exact, and small
}
# Tiles worth measuring against those, by the width they are for; the benchmark runs each as a provider of its own.
TRIALS = {
    "narrow-64": (64, Config(64, 64, 4, 3)),  # 127 registers instead of 226: two programs on a multiprocessor
    "narrow-tall": (64, Config(128, 64, 8, 3)),
    "narrow-square": (64, Config(128, 128, 8, 2)),
    "wide-64": (128, Config(64, 64, 4, 3)),  # as "wide" with half the rows: for few candidates a request
}


def config_for(width: int, itemsize: int, mean_keys: int) -> Config:
    """By the wider of keys and values, as padded, the bytes of a number and the keys of a request."""
    if itemsize == 4:
        return CONFIGS["float32"]
    if width <= 64:
        return CONFIGS["short" if mean_keys <= CONFIGS["short"].keys else "narrow"]
    return CONFIGS["wide" if width <= 128 else "widest"]


def splits_for(candidates: int, requests: int, heads: int, keys: int, config: Config) -> int:
    """How many programs share a tile's keys: enough for two on every multiprocessor, two blocks of keys for each.

    From shapes alone, so that it is one number for a captured graph and never waits for the GPU: where histories
    differ, the mean length decides.
    """
    tiles = (candidates // config.rows + requests) * heads
    blocks = ceil(ceil(keys / max(requests, 1)) / config.keys)
    return max(1, min(ceil(ENOUGH_PROGRAMS / max(tiles, 1)), blocks // 2, MAX_SPLITS))
