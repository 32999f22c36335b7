"""The op: checks, then the form that is fastest for these tensors."""

import torch

from kernels.backend import use_triton
from kernels.checks import FLOATS, check_choice, check_tensor
from kernels.gather_dequant import reference
from kernels.gather_dequant.wire import WireFormat

MODES = ("sum", "mean")


def gather_dequant(
    staging: torch.Tensor,
    slot: torch.Tensor,
    default: torch.Tensor,
    wire: WireFormat,
    *,
    dtype: torch.dtype = torch.float32,
    out: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stored rows as the columns of a ranker's input, in one pass: bytes in, floats out, nothing between.

    `staging` [S, row_bytes] uint8 rows as they came, header and all; `slot` [N, F] int32 which row each candidate has
    for each feature, or a miss: -1 - k takes default k of that feature, so one tensor says found, and if not, at which
    tier it was given up; `default` [F, K, d] float learned defaults (k beyond K - 1 takes the last), or [F, d] for
    K = 1; `wire` says where a row's values, scale and offset stand -> (values [N, F, d] of `dtype`, hit [N, F] bool).
    A GPU and a CPU give the same bits in float32. `out` [N, F, d], of any strides but a contiguous last one, takes the
    values: a range of the columns of a wider input. Slots are not read, only followed: one beyond S is an error of
    the caller's. Whether a row is sound (checksum, version, expiry) is decided before; a row that is not gets no slot.
    Rows of inputs that do not follow each other are copied on a GPU; strides within a row raise ValueError, as does a
    shape, dtype or device that does not fit.
    """
    check_staging(staging, wire)
    check_tensor("slot", slot, (-1, -1), (torch.int32,), staging.device)
    (n, features), d = slot.shape, wire.width
    default = default[:, None] if isinstance(default, torch.Tensor) and default.dim() == 2 else default
    check_tensor("default", default, (features, -1, d), FLOATS, staging.device)
    if features and not default.shape[1]:
        raise ValueError("default has no rows; a feature has one or more")
    check_dtype(dtype)
    if out is not None:
        check_tensor("out", out, (n, features, d), (dtype,), staging.device)
    if use_triton(staging, default):
        from kernels.gather_dequant.kernel import gather_dequant_triton

        if out is None:
            out = torch.empty((n, features, d), dtype=dtype, device=staging.device)
        return out, gather_dequant_triton(staging.contiguous(), slot.contiguous(), default.contiguous(), wire, out)
    values, hit = reference.gather_dequant(staging, slot, default, wire, dtype)
    return (values if out is None else out.copy_(values)), hit


def gather_dequant_pool(
    staging: torch.Tensor,
    slot: torch.Tensor,
    bag_offsets: torch.Tensor,
    default: torch.Tensor,
    wire: WireFormat,
    *,
    mode: str = "mean",
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same over bags: the sum or the mean of the rows of each, misses left out.

    `slot` [T] int32, negative for a miss; `bag_offsets` [M + 1] int32 from 0 to T; `default` [d] for a bag of which
    nothing was found -> (values [M, d] of `dtype`, added in float32; hit [M] bool). Raises ValueError as above.
    """
    check_staging(staging, wire)
    check_tensor("slot", slot, (-1,), (torch.int32,), staging.device)
    check_tensor("bag_offsets", bag_offsets, (-1,), (torch.int32,), staging.device)
    if not bag_offsets.shape[0]:
        raise ValueError("bag_offsets is empty; it has one more element than there are bags")
    check_tensor("default", default, (wire.width,), FLOATS, staging.device)
    check_choice("mode", mode, MODES)
    check_dtype(dtype)
    if use_triton(staging, default):
        from kernels.gather_dequant.kernel import gather_dequant_pool_triton

        return gather_dequant_pool_triton(
            staging.contiguous(), slot.contiguous(), bag_offsets, default.contiguous(), wire, mode, dtype
        )
    return reference.gather_dequant_pool(staging, slot, bag_offsets, default, wire, mode, dtype)


def check_dtype(dtype: torch.dtype) -> None:
    """Raise ValueError unless values can be had as `dtype`."""
    if dtype not in FLOATS:
        raise ValueError(f"dtype is {dtype}; allowed are {', '.join(map(str, FLOATS))}")


def check_staging(staging: torch.Tensor, wire: WireFormat) -> None:
    """Raise ValueError unless the rows are long enough, and long enough by whole floats, for this format."""
    check_tensor("staging", staging, (-1, -1), (torch.uint8,), None)
    if staging.shape[1] < wire.min_row_bytes:
        raise ValueError(f"staging has rows of {staging.shape[1]} bytes; this format has {wire.min_row_bytes} or more")
    if staging.shape[1] % 4:
        raise ValueError(f"staging has rows of {staging.shape[1]} bytes; allowed are multiples of 4")
