"""The weight of a linear compression, split by whose embeddings it reads and padded for the matrix units."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from kernels.checks import FLOATS, check_integer, check_tensor

DEPTH_MULTIPLE = 16  # a row of 16 elements of two bytes is two 128-bit loads; odd rows cannot be loaded so
ROW_MULTIPLE = 128  # the tallest tile: none of them reaches over the weight's end


@dataclass(frozen=True, slots=True)
class LceWeights:
    """`request` [M, K_r] for the request's embeddings, `candidate` [>= M, >= K_c] for the candidates', zero-padded."""

    request: torch.Tensor
    candidate: torch.Tensor


def prepare_lce_weights(weight: torch.Tensor, num_request: int) -> LceWeights:
    """Split `weight` [M, K_r + K_c] after its first `num_request` = K_r columns, once, when a model is loaded.

    `broadcast_lce(x, weights.candidate, weights.request @ x_r, cand_to_user)` is then the whole compression, with
    `x_r` [B, K_r, d] the embeddings of the requests; the embeddings themselves need no padding.
    Raises ValueError on another shape or dtype, and if there are fewer columns than that.
    """
    check_tensor("weight", weight, (-1, -1), FLOATS, None, strided=True)
    m, k = weight.shape
    check_integer("num_request", num_request, 0, k)
    candidate = weight[:, num_request:]
    padding = (0, -candidate.shape[1] % DEPTH_MULTIPLE, 0, -m % ROW_MULTIPLE)
    return LceWeights(weight[:, :num_request].contiguous(), F.pad(candidate, padding).contiguous())
