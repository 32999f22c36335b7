"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.hamming_pool.kernel import COLUMNS, config_for, hamming_pool_fwd_kernel, matrix_config_for


def compile_cases() -> list[CompileCase]:
    """Every width of tile, whole and split, and distances on the matrix units; signatures of 64 and 128 bits."""
    pointers = ("a", "b", "cand_to_user", "kv_offsets")
    strides = ("stride_a", "stride_b", "stride_v", "stride_o", "stride_split")
    return [
        CompileCase(
            name=f"{dtype}-{32 * words}-bits-{columns}-{'matrix' if c.matrix else 'split' if split else 'whole'}",
            kernel=hamming_pool_fwd_kernel,
            signature={
                **dict.fromkeys(("a", "b"), "*i32"), "v": f"*{dtype}", "weight": "*fp32",
                **dict.fromkeys(("cand_to_user", "kv_offsets"), "*i32"),
                "out": "*fp32" if split else f"*{dtype}", "total": "*fp32",
                **dict.fromkeys(("n", "d", "splits", *strides), "i32"),
            },
            constants={
                "WORDS": words, "ROWS": c.rows, "KEYS": c.keys, "COLUMNS": c.columns, "NORMALISE": True, "SPLIT": split,
                "MATRIX": c.matrix,
            },
            num_warps=c.num_warps,
            num_stages=c.num_stages,
            aligned=(*pointers, "v", "weight", "out", "total", "d", "stride_v", "stride_o", "stride_split"),
            needs=(
                *(("HGMMA",) if dtype == "bf16" else ()), "IGMMA" if c.matrix else "POPC",
                "LDGSTS*128|LDG.E.128*", "STG.E.128",
            ),
            forbids=("HMMA", "IMMA"),
        )
        for words in (2, 4)
        for columns in COLUMNS
        for c in [config_for(10_000, 10_000, 1, columns)]
        for dtype, c, split in (
            ("bf16", c, False), ("bf16", c, True), ("bf16", matrix_config_for(10_000, 10_000, 1, columns), False),
            ("fp32", c, columns == COLUMNS[-1]),  # a split differs in what it stores alone: once is enough
        )
    ]  # fmt: skip
