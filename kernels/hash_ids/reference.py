"""The definition, in plain PyTorch: any device. Signed 64-bit products wrap as unsigned ones do."""

import torch

GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def hash_ids(ids: torch.Tensor, id_offsets: torch.Tensor, sizes: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
    """Rows [T] int32; see `op.hash_ids`."""
    lengths = id_offsets.diff()
    seed, size = (values.repeat_interleave(lengths, output_size=ids.shape[0]) for values in (seeds, sizes))
    high = shifted_right(splitmix64(ids ^ seed), 32)
    return (high * size >> 32).to(torch.int32)  # below 2^32 and 2^31: the product stays positive


def splitmix64(x: torch.Tensor) -> torch.Tensor:
    """A bijection of 64 bits after which every bit of the result depends on every bit of `x` (int64)."""
    x = x + signed(GOLDEN)
    x = (x ^ shifted_right(x, 30)) * signed(MIX_1)
    x = (x ^ shifted_right(x, 27)) * signed(MIX_2)
    return x ^ shifted_right(x, 31)


def shifted_right(x: torch.Tensor, bits: int) -> torch.Tensor:
    """The logical shift of int64, which PyTorch has no unsigned type for."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def signed(word: int) -> int:
    """The int64 of the same 64 bits."""
    return word - (word >> 63 << 64)
