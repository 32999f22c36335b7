"""What the compile gate builds of this op."""

from kernels.compact_tuples.kernel import BLOCK, NUM_WARPS, unpack_tuples_fwd_kernel
from kernels.compile_case import CompileCase


def compile_cases() -> list[CompileCase]:
    """Both widths of codes, with weights."""
    return [
        CompileCase(
            name=f"codes-of-{bits}-bits",
            kernel=unpack_tuples_fwd_kernel,
            signature={
                "dictionary": "*i64", "codes": f"*i{bits}", "weights": "*fp16", "ids_out": "*i64",
                "weights_out": "*fp32", "n": "i32",
            },
            constants={"SHORT": bits == 16, "WEIGHTED": True, "BLOCK": BLOCK},
            num_warps=NUM_WARPS,
            aligned=("dictionary", "codes", "weights", "ids_out", "weights_out"),
            needs=("LDG.E*", "STG.E.64*"),  # the gather decides the layout: neighbouring threads, neighbouring tuples
        )
        for bits in (16, 32)
    ]  # fmt: skip
