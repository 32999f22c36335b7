"""Which form runs on a GPU: a pure rule over shapes, none of which is read from a tensor's values."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from kernels.hopper import ENOUGH_PROGRAMS

LIBRARY_ROWS = 128  # query rows of one tile in the library's kernels


class Form(StrEnum):
    """What computes a call."""

    TRITON = "triton"
    SDPA = "sdpa"  # all requests as a batch of equal lengths
    VARLEN = "varlen"  # torch.nn.attention.varlen, FlashAttention over packed requests


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the op, as far as the choice depends on it."""

    requests: int
    candidates: int
    heads: int
    plain: bool  # softmax, no mask, no self term, 16-bit, keys as wide as values, a width the library has
    ragged: bool  # `kv_offsets` given: histories may differ in length
    max_candidates: int | None = None


def form_for(call: Call, has_varlen: bool) -> Form:
    """The library for plain softmax with tiles in plenty, ours for the rest.

    A library kernel is meant to be 1.2 to 1.4 times as fast as ours once every multiprocessor has two tiles. With
    fewer, with a mask, a self term or SiLU it has no form that shares keys among candidates without copies.
    `varlen_attn` starts `max_candidates` rows for every request, so it needs that number and not a bound.
    """
    longest = call.candidates if call.requests == 1 else call.max_candidates
    if not call.plain or longest is None:
        return Form.TRITON
    if ceil(call.candidates / LIBRARY_ROWS) * call.heads < ENOUGH_PROGRAMS:  # they idle unless keys are split
        return Form.TRITON
    if not call.ragged and call.requests * longest == call.candidates:
        return Form.SDPA
    return Form.VARLEN if has_varlen else Form.TRITON
