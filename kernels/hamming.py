"""Signatures of 32 bits a word in plain PyTorch: packed, unpacked, and how many bits two of them differ in."""

from collections.abc import Iterator
from itertools import pairwise

import torch

WORD_BITS = 32
MAX_PAIRS = 1 << 20  # candidates x behaviours that are held at once: 4 MB of float32 stay in a core's cache

Rows = slice
Keys = slice


def pack_bits(bit: torch.Tensor) -> torch.Tensor:
    """Bits [n, 32 w], bool, as words [n, w] int32: bit j of word i is column 32 i + j."""
    place = torch.arange(WORD_BITS, dtype=torch.int32, device=bit.device)
    words = bit.view(bit.shape[0], bit.shape[1] // WORD_BITS, WORD_BITS).to(torch.int32) << place
    return words.sum(2, dtype=torch.int32)


def unpack_signs(words: torch.Tensor) -> torch.Tensor:
    """Words [n, w] as float32 [n, 32 w]: 1 for a bit that is set, -1 for one that is not."""
    place = torch.arange(WORD_BITS, dtype=torch.int32, device=words.device)
    return ((words[..., None] >> place) & 1).flatten(1).float().mul_(2).sub_(1)


def distances(signs_a: torch.Tensor, signs_b: torch.Tensor) -> torch.Tensor:
    """Hamming distances [n, m] in float32, exact: a product of signs counts equal bits minus unequal ones."""
    return torch.mm(signs_a, signs_b.T).mul_(-0.5).add_(signs_a.shape[1] / 2)


def request_blocks(cand_to_user: torch.Tensor, kv_offsets: torch.Tensor, num_keys: int) -> Iterator[tuple[Rows, Keys]]:
    """Candidates and history of one request after another, at most about MAX_PAIRS pairs at a time.

    With several requests the offsets are read on the host. Requests without candidates or history are left out.
    """
    n, b = cand_to_user.shape[0], kv_offsets.shape[0] - 1
    if b == 1:
        row_ends, key_ends = [0, n], [0, num_keys]
    else:
        users = torch.arange(b + 1, dtype=cand_to_user.dtype, device=cand_to_user.device)
        row_ends, key_ends = torch.searchsorted(cand_to_user, users).tolist(), kv_offsets.tolist()
    for (begin, end), (first, last) in zip(pairwise(row_ends), pairwise(key_ends), strict=True):
        if first < last:
            step = max(1, MAX_PAIRS // (last - first))
            for row in range(begin, end, step):
                yield slice(row, min(row + step, end)), slice(first, last)
