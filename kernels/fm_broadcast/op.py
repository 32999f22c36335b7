"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import FLOATS, check_tensor
from kernels.fm_broadcast import reference

MAX_ROWS, MAX_WIDTH, MAX_RANK = 128, 128, 64  # of a candidate in 16 bits: beyond them registers spill


def fm_broadcast(c: torch.Tensor, y_c: torch.Tensor, t: torch.Tensor, cand_to_user: torch.Tensor) -> torch.Tensor:
    """The candidate's rows of a low-rank factorisation machine over the request's and the candidate's embeddings.

    With X = [U ; C] of n = nu + nc embeddings and its projection Y = [Y_u ; Y_c], the block is `X (X^T Y)`, and
    `X^T Y = U^T Y_u + C^T Y_c`: the first summand `t` is computed once per request, exactly. A candidate then costs
    `4 * nc * d * k` operations instead of `4 * n * d * k`. Source: Wukong's optimised FM under request sharing.

    `c` [N, nc, d] embeddings of each candidate, `y_c` [nc, k] the projection's rows for them, `t` [B, d, k] the
    requests' `U^T Y_u`, `cand_to_user` [N] int32 non-decreasing in [0, B), all float tensors of one dtype (float32,
    float16, bfloat16) -> `c @ (c^T @ y_c + t[cand_to_user])` [N, nc, k] of that dtype, accumulated in float32; the
    inner product is rounded to that dtype once. In float16 no squared norm of an embedding may exceed 65504.
    Raises ValueError on a shape, dtype or device that does not fit; the values of `cand_to_user` are not read.
    """
    _check(c, y_c, t, cand_to_user)
    if _fits(c, t) and use_triton(c, y_c, t):
        from kernels.fm_broadcast.kernel import fm_broadcast_triton

        return fm_broadcast_triton(c, y_c, t, cand_to_user)
    return reference.fm_broadcast(c, y_c, t, cand_to_user)


def fm_broadcast_both(
    c: torch.Tensor, y_c: torch.Tensor, t: torch.Tensor, u: torch.Tensor, cand_to_user: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """All rows of the block: the candidate's [N, nc, k] as `fm_broadcast`, and the request's [N, nu, k].

    The request's rows see the candidate: `U (U^T Y_u + C^T Y_c)`; with `t` of zeros they are `U (C^T Y_c)` alone.
    `u` [B, nu, d] are the requests' embeddings. A model whose request side must not depend on the candidate, so that
    it can be shared by the next layer too, calls `fm_broadcast` and computes `u @ t` once per request.
    """
    _check(c, y_c, t, cand_to_user)
    check_tensor("u", u, (t.shape[0], -1, c.shape[2]), (c.dtype,), c.device)
    if _fits(c, t) and use_triton(c, y_c, t, u):
        from kernels.fm_broadcast.kernel import fm_broadcast_both_triton

        return fm_broadcast_both_triton(c, y_c, t, u, cand_to_user)
    return reference.fm_broadcast_both(c, y_c, t, u, cand_to_user)


def _check(c: torch.Tensor, y_c: torch.Tensor, t: torch.Tensor, cand_to_user: torch.Tensor) -> None:
    check_tensor("c", c, (-1, -1, -1), FLOATS, None)
    n, nc, d = c.shape
    check_tensor("y_c", y_c, (nc, -1), (c.dtype,), c.device)
    check_tensor("t", t, (-1, d, y_c.shape[1]), (c.dtype,), c.device)
    check_tensor("cand_to_user", cand_to_user, (n,), (torch.int32,), c.device)
    if n > 0 and t.shape[0] == 0:
        raise ValueError(f"t has no rows; {n} candidates ask for one")


def _fits(c: torch.Tensor, t: torch.Tensor) -> bool:
    """Larger ones hold enough arithmetic for the library's products, and float32 has no matrix units."""
    return c.element_size() == 2 and c.shape[1] <= MAX_ROWS and c.shape[2] <= MAX_WIDTH and t.shape[2] <= MAX_RANK
