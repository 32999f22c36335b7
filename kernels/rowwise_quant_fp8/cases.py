"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.rowwise_quant_fp8.config import MAX_WIDTH, config_for
from kernels.rowwise_quant_fp8.kernel import rowwise_quant_fp8_fwd_kernel
from kernels.rowwise_quant_fp8.reference import E4M3_MAX, EPS, LEAST


def compile_cases() -> list[CompileCase]:
    """The widths of the benchmark grid and the limits, in bf16; every `pre` once; the limits in float32."""
    return [
        CompileCase(
            name=f"{dtype}-{pre}-{width}",
            kernel=rowwise_quant_fp8_fwd_kernel,
            signature={
                "x": f"*{dtype}", "values": "*fp8e4nv", "scale": "*fp32",
                **dict.fromkeys(("n", "k", "width", "stride_x", "stride_v"), "i32"),
            },
            constants={
                "PRE": pre, "EPSILON": EPS, "LIMIT": E4M3_MAX, "SMALLEST": LEAST, "ROWS": c.rows, "BLOCK": c.block,
            },
            num_warps=c.num_warps,
            aligned=("x", "values", "scale", "k", "width", "stride_x", "stride_v"),
            needs=("LDG.E.128", "STG.E.64|STG.E.128"),  # eight elements of a thread: 16 bytes in, 8 out
        )
        for dtype, pre, width in (
            ("bf16", "silu", 256), ("bf16", "none", 512), ("bf16", "rms", 1024),
            ("bf16", "hardswish", 2048), ("bf16", "none", 4096), ("bf16", "none", 8192),
            ("bf16", "rms", MAX_WIDTH), ("fp32", "silu", 256), ("fp32", "rms", MAX_WIDTH),
        )
        for c in (config_for(width),)
    ]  # fmt: skip
