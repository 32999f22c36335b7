"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import FLOATS, check_choice, check_integer, check_tensor
from kernels.target_attention import reference
from kernels.target_attention.dispatch import Call, Form, form_for
from kernels.target_attention.varlen import has_varlen, varlen_attention

MAX_HEAD_BYTES = 512  # of a head of one key: more of them than a tile can hold go to PyTorch


def target_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    user_offsets: torch.Tensor,
    *,
    kv_offsets: torch.Tensor | None = None,
    kv_mask: torch.Tensor | None = None,
    self_kv: tuple[torch.Tensor, torch.Tensor] | None = None,
    mode: str = "softmax",
    scale: float | None = None,
    divisor: float = 1.0,
    max_candidates: int | None = None,
) -> torch.Tensor:
    """Each candidate attends to the keys of its own request, and to no other candidate.

    `softmax`: `sum_j p_j v_j` with `p = softmax_j(scale * q . k_j)`. `silu`: `sum_j silu(scale * q . k_j) v_j`, as in
    HSTU, which divides by its longest history: `divisor`. `scale` is E ** -0.5 unless given. A request without keys
    gives zeros. Keys and values exist once per request, whatever its number of candidates: B requests cost
    `4 * N * H * E * L` operations and read `B * L` keys instead of `N * L`.
    Sources: FlashAttention, Flash-Decoding (split keys), HSTU, in-kernel broadcast (Meta's IKBO).

    `q` [N, H, E] candidates of all requests, request by request; `user_offsets` [B + 1] int32: request b has the
    candidates from `user_offsets[b]` to `user_offsets[b + 1]`. `k` [T, H, E] and `v` [T, H, Ev] likewise, request by
    request, with `kv_offsets` [B + 1] int32; without it all requests have T / B keys. Strides are free but for the
    last dimension. `kv_mask` [T] bool: only true keys count. What keys and values hold where it is false, NaN
    included, reaches no result and no gradient. `self_kv` ([N, H, E], [N, H, Ev]): each candidate also attends to its
    own key. `max_candidates`: the largest number of candidates of a request where the host knows it (exactly: B times
    it being N tells that all are equal), which spares reading the offsets and opens the library's kernels. Float
    tensors share one dtype (float32, float16, bfloat16) -> [N, H, Ev] of it, accumulated in float32.
    NaN in a candidate's `q` or `self_kv` shows in that candidate alone, in a key or a value that counts in those of
    its request; where no key counts, a candidate whose `q` holds NaN may be zeros or NaN.
    Raises ValueError on a shape, dtype, device or mode that does not fit; the values of offsets are not checked.
    """
    _check(q, k, v, user_offsets, kv_offsets, kv_mask, self_kv, mode, divisor, max_candidates)
    b = user_offsets.shape[0] - 1
    too_wide = max(q.shape[2], v.shape[2]) * q.element_size() > MAX_HEAD_BYTES
    if too_wide or not use_triton(q, k, v, *(self_kv or ())):
        return reference.target_attention(
            q, k, v, user_offsets, kv_offsets, kv_mask, self_kv, mode, scale, divisor, max_candidates
        )
    # Only on a GPU: what reaches this line on a CPU is interpreted.
    plain = q.is_cuda and mode == "softmax" and kv_mask is None and self_kv is None and divisor == 1.0
    plain = plain and q.dtype is not torch.float32 and q.shape[2] == v.shape[2] and q.shape[2] % 8 == 0
    call = Call(b, q.shape[0], q.shape[1], plain, kv_offsets is not None, max_candidates)
    match form_for(call, plain and has_varlen(scale is None)):
        case Form.SDPA:
            return reference.target_attention(q, k, v, user_offsets, scale=scale, max_candidates=q.shape[0] // b)
        case Form.VARLEN:
            return varlen_attention(q, k, v, user_offsets, kv_offsets, scale, max_candidates or q.shape[0])
        case Form.TRITON:
            from kernels.target_attention.kernel import target_attention_triton

            return target_attention_triton(q, k, v, user_offsets, kv_offsets, kv_mask, self_kv, mode, scale, divisor)


def _check(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    user_offsets: torch.Tensor,
    kv_offsets: torch.Tensor | None,
    kv_mask: torch.Tensor | None,
    self_kv: tuple[torch.Tensor, torch.Tensor] | None,
    mode: str,
    divisor: float,
    max_candidates: int | None,
) -> None:
    check_tensor("q", q, (-1, -1, -1), FLOATS, None)
    n, h, e = q.shape
    if e == 0:
        raise ValueError(f"q is {list(q.shape)}; a head has one column or more")
    check_tensor("k", k, (-1, h, e), (q.dtype,), q.device)
    keys = k.shape[0]
    check_tensor("v", v, (keys, h, -1), (q.dtype,), q.device)
    ev = v.shape[2]
    check_tensor("user_offsets", user_offsets, (-1,), (torch.int32,), q.device)
    b = user_offsets.shape[0] - 1
    if b < 0:
        raise ValueError("user_offsets is empty; it has one more element than there are requests")
    if n > 0 and b == 0:
        raise ValueError(f"user_offsets has no requests; {n} candidates ask for one")
    if kv_offsets is not None:
        check_tensor("kv_offsets", kv_offsets, (b + 1,), (torch.int32,), q.device)
    elif keys % b if b else keys:
        raise ValueError(f"k has {keys} rows for {b} requests; without kv_offsets every request has as many")
    if kv_mask is not None:
        check_tensor("kv_mask", kv_mask, (keys,), (torch.bool,), q.device)
    if self_kv is not None:
        if not isinstance(self_kv, tuple | list) or len(self_kv) != 2:
            raise TypeError("self_kv is no pair; expected are two tensors, keys and values")
        check_tensor("self_kv[0]", self_kv[0], (n, h, e), (q.dtype,), q.device)
        check_tensor("self_kv[1]", self_kv[1], (n, h, ev), (q.dtype,), q.device)
    check_choice("mode", mode, reference.MODES)
    if mode == "softmax" and divisor != 1.0:
        raise ValueError(f"divisor is {divisor}; softmax weights add up to 1, only silu takes one")
    if max_candidates is not None:
        check_integer("max_candidates", max_candidates, -(-n // b) if b else 0)  # one request has the mean or more
