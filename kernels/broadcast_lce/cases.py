"""What the compile gate builds of this op."""

from kernels.broadcast_lce.config import CONFIGS, FP32_CONFIG, TRIALS, Config
from kernels.broadcast_lce.kernel import broadcast_lce_fwd_kernel
from kernels.compile_case import CompileCase


def compile_cases() -> list[CompileCase]:
    """Every configuration in bf16, and float32 without matrix units."""
    half = [_case(f"bf16-{name}", c, "bf16") for name, c in {**CONFIGS, **TRIALS}.items()]
    return [*half, _case("fp32", FP32_CONFIG, "fp32")]


def _case(name: str, c: Config, dtype: str) -> CompileCase:
    sizes = ("m", "k", "padded_k", "d", "num_features")
    strides = ("stride_xn", "stride_xk", "stride_w", "stride_rb", "stride_rm", "stride_on", "stride_om")
    tiles = {"x": [1, c.depth, c.features], "weight": [c.rows, c.depth]}
    operands = {name: f"tensordesc<{dtype}{tile}>" if c.descriptors else f"*{dtype}" for name, tile in tiles.items()}
    copies = "UTMALDG" if c.descriptors else "LDGSTS.E.BYPASS.128|LDGSTS.E.BYPASS.LTC128B.128"
    return CompileCase(
        name=name,
        kernel=broadcast_lce_fwd_kernel,
        signature={
            **operands, "request": f"*{dtype}", "cand_to_user": "*i32", "out": f"*{dtype}",
            **dict.fromkeys((*sizes, *strides), "i32"),
        },
        constants={
            "PRECISION": "ieee", "ROWS": c.rows, "FEATURES": c.features, "DEPTH": c.depth,
            "DESCRIPTORS": c.descriptors,
        },
        num_warps=c.num_warps,
        num_stages=c.num_stages,
        aligned=(
            *(() if c.descriptors else operands), "request", "cand_to_user", "out",
            "padded_k", "d", "num_features", *strides,
        ),
        needs=(
            copies, "STG.E.128", *(("HGMMA",) if dtype == "bf16" else ()),
        ),
        forbids=("HMMA",),
    )  # fmt: skip
