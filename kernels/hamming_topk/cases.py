"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.hamming_topk.kernel import LONG, SHORT, hamming_topk_fwd_kernel, num_bins


def compile_cases() -> list[CompileCase]:
    """Every shipped step, signatures of 64 and 128 bits."""
    return [
        CompileCase(
            name=f"{words * 32}-bits-{c.keys}",
            kernel=hamming_topk_fwd_kernel,
            signature={
                **dict.fromkeys(("a", "b", "cand_to_user", "kv_offsets", "index", "distance_out"), "*i32"),
                **dict.fromkeys(("k", "stride_a", "stride_b", "stride_o"), "i32"),
            },
            constants={"WORDS": words, "BINS": num_bins(words), "KEYS": c.keys},
            num_warps=c.num_warps,
            aligned=("a", "b", "cand_to_user", "kv_offsets", "index", "distance_out"),
            needs=("POPC",),
        )
        for words in (2, 4)
        for c in (SHORT, LONG)
    ]
