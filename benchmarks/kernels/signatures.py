"""Candidates and one history with signatures, and the distances of all their pairs, held at once."""

import torch

from benchmarks.kernels.case import Inputs
from kernels.hamming import distances, unpack_signs

ALL_PAIRS = "eager, all pairs held"
XOR = "eager, xor and shifts"

# (candidates of one request, behaviours, bits of a signature, values of a behaviour)
GPU_GRID = [(1000, 1000, 64, 64), (1000, 10_000, 64, 64), (10_000, 10_000, 64, 64), (10_000, 10_000, 128, 64)]
CPU_GRID = [(100, 1000, 64, 32), (1000, 1000, 64, 32), (1000, 10_000, 64, 32)]


def grid(device: torch.device) -> list[tuple[int, int, int, int]]:
    """For this kind of device."""
    return GPU_GRID if device.type == "cuda" else CPU_GRID


def unit_dtype(device: torch.device) -> torch.dtype:
    """Of values and of products of signs; all else is integers."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def signatures(n: int, length: int, bits: int, generator: torch.Generator, device: torch.device) -> Inputs:
    """`a`, `b`, `cand_to_user` and `kv_offsets` of one request."""

    def words(rows: int) -> torch.Tensor:
        whole = torch.randint(-(2**31), 2**31, (rows, bits // 32), generator=generator, device=device)
        return whole.to(torch.int32)

    index = torch.zeros(n, dtype=torch.int32, device=device)
    return words(n), words(length), index, torch.tensor([0, length], dtype=torch.int32, device=device)


def xor_distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """[N, L] int32, every intermediate of it held."""
    x = a[:, None, :] ^ b[None, :, :]
    x = x - ((x >> 1) & 0x55555555)
    x = (x & 0x33333333) + ((x >> 2) & 0x33333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F
    return ((x * 0x01010101) >> 24).sum(2, dtype=torch.int32)


def sign_distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """[N, L] float32, by one product."""
    return distances(unpack_signs(a), unpack_signs(b))
