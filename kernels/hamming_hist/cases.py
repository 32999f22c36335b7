"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.hamming_hist.kernel import config_for, hamming_hist_fwd_kernel
from kernels.hamming_hist.op import MAX_BINS


def compile_cases() -> list[CompileCase]:
    """Signatures of 64 and 128 bits into 8 and as many tiers as there may be, whole and split."""
    c = config_for(10_000, 10_000, 1)
    return [
        CompileCase(
            name=f"{32 * words}-bits-{bins}-tiers-{'split' if split else 'whole'}",
            kernel=hamming_hist_fwd_kernel,
            signature={
                **dict.fromkeys(("a", "b", "cand_to_user", "kv_offsets", "out"), "*i32"),
                **dict.fromkeys(("n", "splits", "stride_a", "stride_b", "stride_o"), "i32"),
            },
            constants={
                "NUM_BINS": bins, "BINS": bins, "WORDS": words, "ROWS": c.rows, "KEYS": c.keys, "ADD": split,
            },
            num_warps=c.num_warps,
            aligned=("a", "b", "cand_to_user", "kv_offsets", "out", "stride_o"),
            needs=("POPC", "REDG*ADD*|RED.E.ADD*|ATOMG*ADD*" if split else "STG.E.128|STG.E.64"),
        )
        for words, bins in ((2, 8), (2, MAX_BINS), (4, MAX_BINS))
        for split in (False, True)
    ]  # fmt: skip
