"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.hash_ids.kernel import WORDS
from kernels.jagged_unique.kernel import BLOCK, NUM_WARPS, emit_fwd_kernel, insert_fwd_kernel, mark_fwd_kernel


def compile_cases() -> list[CompileCase]:
    """The three kernels."""
    insert = CompileCase(
        name="insert",
        kernel=insert_fwd_kernel,
        signature={"keys": "*i64", "table": "*i32", "slot_out": "*i32", "n": "i32", "mask": "i32"},
        constants={**WORDS, "BLOCK": BLOCK},
        num_warps=NUM_WARPS,
        aligned=("keys", "table", "slot_out"),
        needs=("ATOMG*CAS*", "LDG.E.128*|LDG.E.64*", "STG.E*"),
    )
    mark = CompileCase(
        name="mark",
        kernel=mark_fwd_kernel,
        signature={**dict.fromkeys(("table", "slot_in", "first_out", "is_first"), "*i32"), "n": "i32"},
        constants={"BLOCK": BLOCK},
        num_warps=NUM_WARPS,
        aligned=("table", "slot_in", "first_out", "is_first"),
        needs=("LDG.E*", "STG.E*"),
    )
    emit = CompileCase(
        name="emit",
        kernel=emit_fwd_kernel,
        signature={
            "keys": "*i64", "first_in": "*i32", "numbers": "*i32", "unique": "*i64", "inverse": "*i32",
            "n": "i32", "capacity": "i32",
        },
        constants={"BLOCK": BLOCK},
        num_warps=NUM_WARPS,
        aligned=("keys", "first_in", "numbers", "unique", "inverse"),
        needs=("LDG.E.64*", "STG.E.64*"),
    )  # fmt: skip
    return [insert, mark, emit]
