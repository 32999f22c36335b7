"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.grouped_linear.kernel import CONFIGS, FP32_CONFIGS, VECTOR, grouped_linear_fwd_kernel


def compile_cases() -> list[CompileCase]:
    """Every shipped configuration in bf16, and in float32 without matrix units; widths are multiples of 16."""
    return [
        CompileCase(
            name=f"{dtype}-{name}",
            kernel=grouped_linear_fwd_kernel,
            signature={
                **dict.fromkeys(("x", "weight", "bias", "out"), f"*{dtype}"), "table": "*i32",
                **dict.fromkeys(("n", "lines", "stride_x", "stride_o"), "i32"),
            },
            constants={
                "IN_MULTIPLE": VECTOR, "OUT_MULTIPLE": VECTOR, "PRECISION": "ieee",
                "ROWS": c.rows, "OUTPUTS": c.outputs, "DEPTH": c.depth,
            },
            num_warps=c.num_warps,
            num_stages=c.num_stages,
            aligned=("x", "weight", "bias", "table", "out", "stride_x", "stride_o"),
            needs=(*unit, "LDGSTS.E.BYPASS.128|LDGSTS.E.BYPASS.LTC128B.128", "STG.E.128"),
            forbids=("HMMA",),
        )
        for dtype, configs, unit in (("bf16", CONFIGS, ("HGMMA",)), ("fp32", FP32_CONFIGS, ()))
        for name, c in configs.items()
    ]  # fmt: skip
