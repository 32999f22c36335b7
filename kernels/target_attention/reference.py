"""The definition, in plain PyTorch: differentiable, any floating dtype, any device."""

import torch
import torch.nn.functional as F

MODES = ("softmax", "silu")
ONE_REGISTER = 64  # scores: as many float32 as the widest vector register of any CPU holds
Pair = tuple[torch.Tensor, torch.Tensor]


def target_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    user_offsets: torch.Tensor,
    kv_offsets: torch.Tensor | None = None,
    kv_mask: torch.Tensor | None = None,
    self_kv: Pair | None = None,
    mode: str = "softmax",
    scale: float | None = None,
    divisor: float = 1.0,
    max_candidates: int | None = None,
) -> torch.Tensor:
    """See `op.target_attention`. Reads the offsets on the host where several requests differ in length, but with equal
    histories on a GPU never: such a call can be captured in a CUDA graph."""
    b = user_offsets.shape[0] - 1
    if b == 0:
        return q.new_empty(0, q.shape[1], v.shape[2])
    if kv_mask is not None:  # a weight of zero times NaN would be NaN, in the result and in every gradient
        keep = kv_mask.view(-1, 1, 1)
        k, v = torch.where(keep, k, 0.0), torch.where(keep, v, 0.0)
    if b == 1:
        mask = None if kv_mask is None else kv_mask.unsqueeze(0)
        pair = None if self_kv is None else (self_kv[0].unsqueeze(0), self_kv[1].unsqueeze(0))
        one = _attend(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), mask, pair, mode, scale, divisor)
        return one.squeeze(0)
    if kv_offsets is not None:
        return _one_by_one(q, k, v, user_offsets, kv_offsets, kv_mask, self_kv, mode, scale, divisor)
    if q.is_cuda and max_candidates is None:
        return copied(q, k, v, user_offsets, kv_mask, self_kv, mode, scale, divisor)
    given, rows = _padded([q, *(self_kv or ())], user_offsets, max_candidates)
    queries, *own = (_by_request(tensor, b) for tensor in given)
    keys, values = (_by_request(tensor, b) for tensor in (k, v))
    mask = None if kv_mask is None else _by_request(kv_mask, b)
    out = _attend(queries, keys, values, mask, (own[0], own[1]) if own else None, mode, scale, divisor).flatten(0, 1)
    return out if rows is None else out.index_select(0, rows)


def copied(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    user_offsets: torch.Tensor,
    kv_mask: torch.Tensor | None,
    self_kv: Pair | None,
    mode: str,
    scale: float | None,
    divisor: float,
) -> torch.Tensor:
    """Every candidate with a copy of its request's keys, all histories being equal: no length is read."""
    b = user_offsets.shape[0] - 1
    places = torch.arange(q.shape[0], dtype=user_offsets.dtype, device=q.device)
    request = torch.searchsorted(user_offsets, places, right=True) - 1
    keys, values = (_by_request(tensor, b).index_select(0, request) for tensor in (k, v))
    mask = None if kv_mask is None else _by_request(kv_mask, b).index_select(0, request)
    pair = None if self_kv is None else (self_kv[0].unsqueeze(1), self_kv[1].unsqueeze(1))
    return _attend(q.unsqueeze(1), keys, values, mask, pair, mode, scale, divisor).squeeze(1)


def _by_request(tensor: torch.Tensor, b: int) -> torch.Tensor:
    return tensor.view(b, tensor.shape[0] // b, *tensor.shape[1:])


def _padded(
    given: list[torch.Tensor], user_offsets: torch.Tensor, max_candidates: int | None
) -> tuple[list[torch.Tensor], torch.Tensor | None]:
    """Every request with as many rows as the longest, and where each row went (None: they are as long already)."""
    n, b = given[0].shape[0], user_offsets.shape[0] - 1
    counts = torch.diff(user_offsets)
    longest = int(counts.max()) if max_candidates is None else max_candidates
    if n == b * longest:  # as in training
        return given, None
    moved = torch.arange(0, b * longest, longest, device=counts.device) - user_offsets[:-1]
    rows = torch.arange(n, device=counts.device) + torch.repeat_interleave(moved, counts, output_size=n)
    return [x.new_zeros(b * longest, *x.shape[1:]).index_copy_(0, rows, x) for x in given], rows


def _one_by_one(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    user_offsets: torch.Tensor,
    kv_offsets: torch.Tensor,
    kv_mask: torch.Tensor | None,
    self_kv: Pair | None,
    mode: str,
    scale: float | None,
    divisor: float,
) -> torch.Tensor:
    """Histories of thousands differ by as much: no request pays for the padding of another's."""
    users, keys = user_offsets.tolist(), kv_offsets.tolist()
    parts = []
    for b in range(len(users) - 1):
        own, read = slice(users[b], users[b + 1]), slice(keys[b], keys[b + 1])
        mask = None if kv_mask is None else kv_mask[None, read]
        pair = None if self_kv is None else (self_kv[0][None, own], self_kv[1][None, own])
        parts.append(_attend(q[None, own], k[None, read], v[None, read], mask, pair, mode, scale, divisor)[0])
    return torch.cat(parts)


def _attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    self_kv: Pair | None,
    mode: str,
    scale: float | None,
    divisor: float,
) -> torch.Tensor:
    """[B, L, H, E] queries over [B, S, H, E] keys -> [B, L, H, Ev]; no key to read gives zeros."""
    q_h, k_h, v_h = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    keep = None if mask is None else mask.view(mask.shape[0], 1, 1, mask.shape[1])
    if mode == "softmax" and self_kv is None:
        if keep is None and not q.is_cuda and k.shape[1] < ONE_REGISTER:
            # Without any mask PyTorch takes such a row of NaN for one without keys: zeros.
            keep = q.new_zeros(1, 1, 1, 1)
        # A mask of booleans, not of large negative numbers: a row without any key is zeros.
        return F.scaled_dot_product_attention(q_h, k_h, v_h, attn_mask=keep, scale=scale).transpose(1, 2)
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    scores = (q_h * factor) @ k_h.transpose(2, 3)  # [B, H, L, S]
    own = None if self_kv is None else (q * factor * self_kv[0]).sum(-1, keepdim=True)  # [B, L, H, 1]
    if mode == "silu":
        weights = F.silu(scores) if keep is None else F.silu(scores).masked_fill(~keep, 0.0)
        own_weight = None if own is None else F.silu(own)
    else:
        assert own is not None
        scores = scores if keep is None else scores.masked_fill(~keep, float("-inf"))
        both = torch.softmax(torch.cat([scores, own.transpose(1, 2)], dim=-1), dim=-1)
        weights, own_weight = both[..., :-1], both[..., -1:].transpose(1, 2)
    out = (weights @ v_h).transpose(1, 2)
    if self_kv is not None and own_weight is not None:
        out = out + own_weight * self_kv[1]
    return out if divisor == 1.0 else out / divisor
