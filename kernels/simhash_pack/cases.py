"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.simhash_pack.kernel import CONFIGS, FP32_CONFIGS, simhash_pack_fwd_kernel


def compile_cases() -> list[CompileCase]:
    """Every shipped configuration in bf16, and in float32 without matrix units."""
    return [
        CompileCase(
            name=f"{dtype}-{name}",
            kernel=simhash_pack_fwd_kernel,
            signature={
                **dict.fromkeys(("x", "proj"), f"*{dtype}"),
                "out": "*i32",
                **dict.fromkeys(("n", "d", "words", "stride_x", "stride_p", "stride_o"), "i32"),
            },
            constants={"ROWS": c.rows, "WORDS": c.words, "DEPTH": c.depth},
            num_warps=c.num_warps,
            num_stages=c.num_stages,
            aligned=("x", "proj", "out", "d", "stride_x", "stride_p"),
            needs=(*unit, "LDGSTS.E.BYPASS.128|LDGSTS.E.BYPASS.LTC128B.128"),
            forbids=("HMMA",),
        )
        for dtype, configs, unit in (("bf16", CONFIGS, ("HGMMA",)), ("fp32", FP32_CONFIGS, ()))
        for name, c in configs.items()
    ]
