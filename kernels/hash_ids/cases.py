"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.hash_ids.kernel import BLOCK, NUM_WARPS, WORDS, hash_ids_fwd_kernel


def compile_cases() -> list[CompileCase]:
    """64 features."""
    return [
        CompileCase(
            name="64-features",
            kernel=hash_ids_fwd_kernel,
            signature={
                "ids": "*i64", "id_offsets": "*i32", "sizes": "*i64", "seeds": "*i64", "out": "*i32",
                "t": "i32", "features": "i32",
            },
            constants={"STEPS": 7, **WORDS, "BLOCK": BLOCK},
            num_warps=NUM_WARPS,
            aligned=("ids", "id_offsets", "sizes", "seeds", "out"),
            needs=("LDG.E.64*|LDG.E.128*", "STG.E*"),
        )
    ]  # fmt: skip
