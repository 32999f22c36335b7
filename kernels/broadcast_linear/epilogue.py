"""What may be done to an output while it is still in registers, before the activation."""

from dataclasses import dataclass

import torch

from kernels.checks import check_choice, check_tensor

BLOCK_WIDTHS = (64, 128, 256)  # one tile wide


@dataclass(frozen=True, slots=True)
class Cross:
    """`x0 * y + x`: the cross layer of DCNv2. Both [N, H] in the dtype of the output."""

    x0: torch.Tensor
    x: torch.Tensor


@dataclass(frozen=True, slots=True)
class Normed:
    """`rstd * (y - mean * gain) + offset`: y as if its input had been normalised first; `normed.py` derives it.

    `rstd` and `mean` [N], `gain` and `offset` [H], all float32; `mean` is None for an RMSNorm.
    """

    rstd: torch.Tensor
    mean: torch.Tensor | None
    gain: torch.Tensor
    offset: torch.Tensor


@dataclass(frozen=True, slots=True)
class BlockNorm:
    """Every `width` neighbouring outputs over their root mean square, without parameters. H must be a multiple.

    Source: LoKA's BlockNorm (arXiv 2605.10886), which keeps the inputs of fp8 layers within their range.
    """

    width: int = 256
    eps: float = 1e-6


Epilogue = Cross | Normed | BlockNorm


def tensors_of(epilogue: Epilogue | None) -> tuple[torch.Tensor | None, ...]:
    """The tensors an epilogue holds."""
    match epilogue:
        case Cross():
            return epilogue.x0, epilogue.x
        case Normed():
            return epilogue.rstd, epilogue.mean, epilogue.gain, epilogue.offset
        case _:
            return ()


def check_epilogue(epilogue: Epilogue | None, n: int, h: int, dtype: torch.dtype, device: torch.device) -> None:
    """Raise ValueError unless it fits outputs [n, h] of this dtype on this device."""
    match epilogue:
        case Cross():
            check_tensor("epilogue.x0", epilogue.x0, (n, h), (dtype,), device)
            check_tensor("epilogue.x", epilogue.x, (n, h), (dtype,), device)
        case Normed():
            check_tensor("epilogue.rstd", epilogue.rstd, (n,), (torch.float32,), device)
            if epilogue.mean is not None:
                check_tensor("epilogue.mean", epilogue.mean, (n,), (torch.float32,), device)
            check_tensor("epilogue.gain", epilogue.gain, (h,), (torch.float32,), device)
            check_tensor("epilogue.offset", epilogue.offset, (h,), (torch.float32,), device)
        case BlockNorm(width):
            check_choice("epilogue.width", width, BLOCK_WIDTHS)
            if h % width:
                raise ValueError(
                    f"epilogue.width is {width} for {h} outputs; allowed are divisors among {BLOCK_WIDTHS}"
                )
        case None:
            pass
        case _:
            raise ValueError(f"epilogue is {epilogue!r}; allowed are None, a Cross, a Normed or a BlockNorm")
