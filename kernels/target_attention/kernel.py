"""The Triton form: FlashAttention over packed candidates of one request, keys split among programs where tiles are few.

A grid over tiles of ragged requests without reading their lengths on the host: the tiles of request b begin at place
`user_offsets[b] // ROWS + b`. Those places are far enough apart for every request's tiles, so `N // ROWS + B` programs
are enough; each finds its request by bisection and leaves if its place is empty.
"""

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows
from kernels.target_attention.config import Config, config_for, splits_for

COMBINED_ROWS = 16  # heads of candidates a program of the second kernel adds up
LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def target_attention_fwd_kernel(
    q, k, v, self_k, self_v, kv_mask, user_offsets, kv_offsets, out, lse,
    requests, length, n, e, ev, scale, divisor,
    stride_qn, stride_qh, stride_kn, stride_kh, stride_vn, stride_vh,
    stride_skn, stride_skh, stride_svn, stride_svh, stride_os, stride_on, stride_oh,
    SILU: tl.constexpr, SPLITS: tl.constexpr, PRECISION: tl.constexpr,
    ROWS: tl.constexpr, KEYS: tl.constexpr, WIDTH: tl.constexpr, VALUE_WIDTH: tl.constexpr,
):  # fmt: skip
    """One program per tile of a request's candidates, head and split of the keys.

    With one split `out` is the result. Else it is [splits, N, H, Ev] float32, each split's own result, and `lse`
    [splits, N, H] the base-2 logarithm of what it was divided by (softmax alone).
    """
    place, head, split = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2)
    low, high = place * 0, place * 0 + requests - 1  # the last request whose places begin at or before ours
    while low < high:
        middle = (low + high + 1) // 2
        before = tl.load(user_offsets + middle) // ROWS + middle <= place
        low, high = tl.where(before, middle, low), tl.where(before, high, middle - 1)
    begin, end = tl.load(user_offsets + low), tl.load(user_offsets + low + 1)
    first = begin + (place - begin // ROWS - low) * ROWS
    if first >= end:
        return
    if kv_offsets is not None:
        key_begin, key_end = tl.load(kv_offsets + low), tl.load(kv_offsets + low + 1)
    else:
        key_begin, key_end = low * length, (low + 1) * length
    share = tl.cdiv(tl.cdiv(key_end - key_begin, KEYS), SPLITS) * KEYS
    key_begin = key_begin + split * share
    key_end = tl.minimum(key_begin + share, key_end)

    rows, keys = first + tl.arange(0, ROWS), tl.arange(0, KEYS)
    width, value_width = tl.arange(0, WIDTH), tl.arange(0, VALUE_WIDTH)
    row_in, width_in, value_in = rows < end, width < e, value_width < ev
    rows = rows.to(tl.int64)
    at = q + rows[:, None] * stride_qn + head * stride_qh + width[None, :]
    query = tl.load(at, row_in[:, None] & width_in[None, :], other=0.0)
    top = tl.full((ROWS,), float("-inf"), dtype=tl.float32)  # the largest score so far
    total = tl.zeros((ROWS,), dtype=tl.float32)
    acc = tl.zeros((ROWS, VALUE_WIDTH), dtype=tl.float32)
    if self_k is not None:  # the candidate itself is one key more, of the first split
        inside = (row_in & (split == 0))[:, None]
        at = self_k + rows[:, None] * stride_skn + head * stride_skh + width[None, :]
        own = tl.load(at, inside & width_in[None, :], other=0.0).to(tl.float32)
        own = tl.sum(query.to(tl.float32) * own, 1) * scale
        at = self_v + rows[:, None] * stride_svn + head * stride_svh + value_width[None, :]
        acc = tl.load(at, inside & value_in[None, :], other=0.0).to(tl.float32)
        if SILU:
            acc *= (own / (1.0 + tl.exp2(own * -LOG2_E)))[:, None]
        elif split == 0:
            top, total = own * LOG2_E, total + 1.0 + (own - own)  # without a key more, NaN would not show
    for start in range(key_begin, key_end, KEYS):
        at_key = start + keys
        key_in = at_key < key_end
        if kv_mask is not None:
            key_in = key_in & (tl.load(kv_mask + at_key, key_in, other=0) != 0)
        at_key = at_key.to(tl.int64)
        key_at = k + at_key[None, :] * stride_kn + head * stride_kh + width[:, None]
        key = tl.load(key_at, key_in[None, :] & width_in[:, None], other=0.0)
        value_at = v + at_key[:, None] * stride_vn + head * stride_vh + value_width[None, :]
        value = tl.load(value_at, key_in[:, None] & value_in[None, :], other=0.0)
        scores = tl.dot(query, key, input_precision=PRECISION)
        if SILU:
            scores = tl.where(key_in[None, :], scores * scale, 0.0)
            weights = scores / (1.0 + tl.exp2(scores * -LOG2_E))
        else:
            scores = tl.where(key_in[None, :], scores * (scale * LOG2_E), float("-inf"))
            new_top = tl.maximum(top, tl.max(scores, 1))
            base = tl.where(new_top == float("-inf"), 0.0, new_top)  # no key yet: -inf minus -inf would be NaN
            weights = tl.exp2(scores - base[:, None])
            fade = tl.exp2(top - base)
            total = total * fade + tl.sum(weights, 1)
            acc = acc * fade[:, None]
            top = new_top
        acc = tl.dot(weights.to(value.dtype), value, acc, input_precision=PRECISION)
    if SILU:
        if SPLITS == 1:
            acc = acc / divisor
    else:
        divided_by = tl.where(total == 0.0, 1.0, total)  # no key: zeros
        acc = acc / divided_by[:, None]
        if SPLITS > 1:
            logarithm = tl.where(total == 0.0, float("-inf"), top + tl.log2(divided_by))
            tl.store(lse + (split.to(tl.int64) * n + rows) * tl.num_programs(1) + head, logarithm, row_in)
    at = out + split.to(tl.int64) * stride_os + rows[:, None] * stride_on + head * stride_oh + value_width[None, :]
    tl.store(at, acc.to(out.dtype.element_ty), row_in[:, None] & value_in[None, :])


@triton.jit
def target_attention_combine_kernel(
    parts, lse, out, splits, entries, ev, stride_s, divisor,
    SILU: tl.constexpr, ROWS: tl.constexpr, VALUE_WIDTH: tl.constexpr,
):  # fmt: skip
    """out = the splits' results weighted by their totals (softmax) or summed; an entry is one head of a candidate."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    value_width = tl.arange(0, VALUE_WIDTH)
    row_in = rows < entries
    inside = row_in[:, None] & (value_width < ev)[None, :]
    acc = tl.zeros((ROWS, VALUE_WIDTH), dtype=tl.float32)
    top = tl.full((ROWS,), float("-inf"), dtype=tl.float32)
    total = tl.zeros((ROWS,), dtype=tl.float32)
    for split in range(splits):
        at = tl.cast(split, tl.int64)
        part = tl.load(parts + at * stride_s + rows[:, None] * ev + value_width[None, :], inside, other=0.0)
        if SILU:
            acc += part
        else:
            logarithm = tl.load(lse + at * entries + rows, row_in, other=float("-inf"))
            new_top = tl.maximum(top, logarithm)
            base = tl.where(new_top == float("-inf"), 0.0, new_top)
            fade, weight = tl.exp2(top - base), tl.exp2(logarithm - base)
            acc = acc * fade[:, None] + part * weight[:, None]
            total = total * fade + weight
            top = new_top
    divided_by = divisor if SILU else tl.where(total == 0.0, 1.0, total)[:, None]
    acc = acc / divided_by
    tl.store(out + rows[:, None] * ev + value_width[None, :], acc.to(out.dtype.element_ty), inside)


def target_attention_triton(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    user_offsets: torch.Tensor,
    kv_offsets: torch.Tensor | None = None,
    kv_mask: torch.Tensor | None = None,
    self_kv: tuple[torch.Tensor, torch.Tensor] | None = None,
    mode: str = "softmax",
    scale: float | None = None,
    divisor: float = 1.0,
    config: Config | None = None,
    num_splits: int | None = None,
) -> torch.Tensor:
    """See `op.target_attention`, which checks; the last dimension of every tensor must be contiguous."""
    (n, h, e), (keys, _, ev), b = q.shape, v.shape, user_offsets.shape[0] - 1
    own_k, own_v = self_kv or (None, None)
    assert contiguous_rows(q, k, v, own_k, own_v, user_offsets, kv_offsets, kv_mask)
    assert max(n, keys) < 2**31
    out = torch.empty((n, h, ev), dtype=q.dtype, device=q.device)
    if out.numel() == 0:
        return out
    width, value_width = (max(16, int(triton.next_power_of_2(w))) for w in (e, ev))
    c = config or config_for(max(width, value_width), q.element_size(), keys // b)
    splits = num_splits or splits_for(n, b, h, keys, c)
    lse = None
    parts = out[None]
    if splits > 1:
        parts = torch.empty((splits, n, h, ev), dtype=torch.float32, device=q.device)
        lse = torch.empty((splits, n, h), dtype=torch.float32, device=q.device) if mode == "softmax" else None
    target_attention_fwd_kernel[(n // c.rows + b, h, splits)](
        q, k, v, own_k, own_v, kv_mask, user_offsets, kv_offsets, parts, lse,
        b, keys // b, n, e, ev, e**-0.5 if scale is None else scale, divisor,
        q.stride(0), q.stride(1), k.stride(0), k.stride(1), v.stride(0), v.stride(1),
        *((0, 0) if own_k is None else own_k.stride()[:2]), *((0, 0) if own_v is None else own_v.stride()[:2]),
        *parts.stride()[:3],
        SILU=mode == "silu", SPLITS=splits, PRECISION="ieee",
        ROWS=c.rows, KEYS=c.keys, WIDTH=width, VALUE_WIDTH=value_width,
        num_warps=c.num_warps, num_stages=c.num_stages,
    )  # fmt: skip
    if splits > 1:
        target_attention_combine_kernel[(triton.cdiv(n * h, COMBINED_ROWS),)](
            parts, lse, out, splits, n * h, ev, parts.stride(0), divisor,
            SILU=mode == "silu", ROWS=COMBINED_ROWS, VALUE_WIDTH=value_width, num_warps=4,
        )  # fmt: skip
    return out
