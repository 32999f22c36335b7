"""How many rows a program takes, by their width."""

from dataclasses import dataclass

MAX_WIDTH = 16_384  # of a row in registers: 32 elements a thread of the largest configuration
ELEMENTS = 4096  # of a program that holds several rows


@dataclass(frozen=True, slots=True)
class Config:
    """Rows of a program, the power of two that a row is padded to, and how it is run."""

    rows: int
    block: int
    num_warps: int


def config_for(width: int) -> Config:
    """Thirty-two elements a thread at most, and never less than one warp's worth."""
    block = max(1 << (width - 1).bit_length(), 256)
    rows = max(1, min(8, ELEMENTS // block))
    return Config(rows, block, num_warps=max(4, block // 1024))
