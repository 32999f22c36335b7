"""The Triton form: insert into a hash table of places, scan the first occurrences, write.

The table holds places in `keys`, not keys: any key may occur, and a slot is 4 bytes. A slot, once taken, belongs to one
key for good; which of its places stands there only falls, so that whoever reads it meanwhile reads one of the same key.
"""

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.hash_ids.kernel import WORDS, splitmix64

BLOCK = 256
NUM_WARPS = 4
FREE = -1


@triton.jit
def insert_fwd_kernel(
    keys, table, slot_out, n, mask,
    GOLDEN: tl.constexpr, MIX_1: tl.constexpr, MIX_2: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """table[slot of key i] = min over all places of the key, slot_out[i] = that slot."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    key = tl.load(keys + at, inside, other=0)
    place = at.to(tl.int32)
    slot = (splitmix64(key, GOLDEN, MIX_1, MIX_2) & mask).to(tl.int32)
    spare = (mask + 1 + tl.arange(0, BLOCK)).to(tl.int32)  # behind the table: an exchange there changes nothing
    searching = inside
    while tl.max(searching.to(tl.int32), axis=0) > 0:
        owner = tl.load(table + slot, searching, other=0)
        free = searching & (owner < 0)
        # An exchange has no mask, and many equal keys at one address wait for each other: only free slots are tried.
        seen = tl.atomic_cas(table + tl.where(free, slot, spare), tl.full((BLOCK,), -1, tl.int32), place)
        owner = tl.where(free, tl.where(seen < 0, place, seen), owner)
        same = searching & (tl.load(keys + owner, searching, other=0) == key)
        tl.atomic_min(table + slot, place, same & (place < owner))
        searching = searching & ~same
        slot = tl.where(searching, (slot + 1) & mask, slot)
    tl.store(slot_out + at, slot, inside)


@triton.jit
def mark_fwd_kernel(table, slot_in, first_out, is_first, n, BLOCK: tl.constexpr):
    """first_out[i] = where key i occurs first, is_first[i] = whether that is i."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    first = tl.load(table + tl.load(slot_in + at, inside, other=0), inside, other=0)
    tl.store(first_out + at, first, inside)
    tl.store(is_first + at, (first == at).to(tl.int32), inside)


@triton.jit
def emit_fwd_kernel(keys, first_in, numbers, unique, inverse, n, capacity, BLOCK: tl.constexpr):
    """inverse[i] = number of key i's first occurrence, unique[that] = the key; `numbers` count from 1."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    first = tl.load(first_in + at, inside, other=0)
    number = tl.load(numbers + first, inside, other=0) - 1
    fits = number < capacity
    tl.store(inverse + at, tl.where(fits, number, -1), inside)
    tl.store(unique + number, tl.load(keys + at, inside, other=0), inside & fits & (first == at))


def jagged_unique_triton(
    keys: torch.Tensor, capacity: int, block: int = BLOCK
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """See `op.jagged_unique`, which checks."""
    n, device = keys.shape[0], keys.device
    assert contiguous_rows(keys)
    unique = torch.zeros(capacity, dtype=torch.int64, device=device)
    inverse = torch.empty(n, dtype=torch.int32, device=device)
    if n == 0:
        return unique, inverse, torch.zeros(1, dtype=torch.int32, device=device)
    places = triton.next_power_of_2(2 * n)
    table = torch.full((places + block,), FREE, dtype=torch.int32, device=device)
    slot, first, is_first = torch.empty((3, n), dtype=torch.int32, device=device)
    grid = (triton.cdiv(n, block),)
    insert_fwd_kernel[grid](keys, table, slot, n, places - 1, **WORDS, BLOCK=block, num_warps=NUM_WARPS)
    mark_fwd_kernel[grid](table, slot, first, is_first, n, BLOCK=block, num_warps=NUM_WARPS)
    numbers = is_first.cumsum(0, dtype=torch.int32)  # the library's scan
    emit_fwd_kernel[grid](keys, first, numbers, unique, inverse, n, capacity, BLOCK=block, num_warps=NUM_WARPS)
    return unique, inverse, numbers[-1:]
