"""The tiles that are shipped, and which of them a shape takes."""

from dataclasses import dataclass

from kernels.hopper import ENOUGH_PROGRAMS

GROUP_ROWS = 8  # tiles of so many row blocks run together and find their weights in L2
FINISH_ROWS, FINISH_OUTPUTS = 16, 128  # the pass over the library's product
FP8_PROMOTE = 128  # QGMMA keeps about 14 bits of a sum: after so many products it goes to a float32 one


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of rows, outputs and depth, and how it is run."""

    rows: int
    outputs: int
    depth: int
    num_warps: int
    num_stages: int
    descriptors: bool = False  # tiles are copied by the tensor memory accelerator


CONFIGS = {
    "small": Config(64, 64, 64, 4, 4),  # few candidates: enough programs for all multiprocessors
    "wide": Config(128, 128, 64, 8, 4),
}
# Not chosen by shape before they are measured: the benchmark has them as providers of their own.
TRIALS = {
    "descriptors": Config(128, 128, 64, 8, 4, descriptors=True),
}
FP8_CONFIGS = {
    "fp8-small": Config(64, 64, 128, 4, 4),
    "fp8-wide": Config(128, 128, 128, 8, 3),
    "fp8-half": Config(128, 64, 128, 8, 3),  # where an epilogue has factors: beside the second sum they would spill
}
FP32_CONFIG = Config(64, 64, 32, 4, 3)  # no matrix units: the sums are in registers from the start


def config_for(n: int, h: int, itemsize: int, block: int | None = None, factors: bool = False) -> Config:
    """The largest tile that still gives every multiprocessor two of them; `block` wide where a block is normalised.

    `factors`: the epilogue is `Cross` or `Normed`, which read numbers for every output.
    """
    if block is not None and itemsize == 4:  # the sums are in registers: no more of them than FP32_CONFIG has a thread
        return Config(32 if block >= 128 else 64, block, 32, 8 if block == 256 else 4, 3)
    if block is not None:
        return Config(64, block, 64 // itemsize * 2, 8 if block == 256 else 4, 3)
    if itemsize == 4:
        return FP32_CONFIG
    small, wide = (FP8_CONFIGS["fp8-small"], FP8_CONFIGS["fp8-wide"]) if itemsize == 1 else CONFIGS.values()
    if itemsize == 1 and factors:
        wide = FP8_CONFIGS["fp8-half"]
    tiles = -(-n // wide.rows) * -(-h // wide.outputs)
    return wide if tiles >= ENOUGH_PROGRAMS else small
