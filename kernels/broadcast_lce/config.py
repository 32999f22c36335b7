"""The tiles that are shipped, and which of them a shape takes."""

from dataclasses import dataclass

from kernels.hopper import ENOUGH_PROGRAMS

MAX_COLUMNS = 2**31 - 256  # of all candidates side by side: they, and a tile that reaches over the end, have 32 bits


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of outputs, features and depth, and how it is run."""

    rows: int
    features: int
    depth: int
    num_warps: int
    num_stages: int
    descriptors: bool = False  # tiles are copied by the tensor memory accelerator; d is a multiple of `features`


CONFIGS = {
    "small": Config(64, 64, 64, 4, 4),  # few candidates: enough programs for all multiprocessors
    "flat": Config(64, 128, 64, 4, 4),  # few outputs: a taller tile would compute rows that nobody asked for
    "wide": Config(128, 128, 64, 8, 4),
}
FP32_CONFIG = Config(64, 64, 32, 4, 3)  # no matrix units: the sums are in registers from the start
# Not chosen by shape before they are measured: the benchmark has them as providers of their own.
TRIALS = {
    "256": Config(128, 256, 64, 8, 3),
    "descriptors": Config(128, 128, 64, 8, 4, descriptors=True),
    "descriptors-256": Config(128, 256, 64, 8, 3, descriptors=True),
}


def config_for(n: int, m: int, d: int, itemsize: int) -> Config:
    """The largest tile that still gives every multiprocessor of a Hopper GPU two of them."""
    if itemsize == 4:
        return FP32_CONFIG
    best = CONFIGS["flat" if m <= 64 else "wide"]
    enough = -(-m // best.rows) * -(-(n * d) // best.features) >= ENOUGH_PROGRAMS
    return best if enough else CONFIGS["small"]
