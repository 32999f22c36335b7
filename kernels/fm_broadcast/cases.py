"""What the compile gate builds of this op."""

from dataclasses import replace

from kernels.compile_case import CompileCase
from kernels.fm_broadcast.kernel import PACKED, SINGLE, fm_broadcast_fwd_kernel, fm_broadcast_packed_fwd_kernel

SIZES = {"single": (128, 32), "single-tall": (128, 64)}  # width and rank of those that take one candidate in turn


def compile_cases() -> list[CompileCase]:
    """Every shipped configuration in bf16, at the widths of the benchmark grid and the largest that the op takes."""
    return [
        *(_packed_case(name, 64, 16) for name in PACKED),
        *(replace(_packed_case(name, 128, 64), name=f"bf16-{name}-largest") for name in PACKED),
        *(
            replace(_single_case("single", 128, 64, both), name=f"bf16-single-{'both-' if both else ''}largest")
            for both in (False, True)
        ),
        *(_single_case(name, *size, both) for name, size in SIZES.items() for both in (False, True)),
    ]


def _packed_case(name: str, width: int, rank: int) -> CompileCase:
    integers = ("n", "nc", "d", "k", "stride_cn", "stride_cr", "stride_y", "stride_tb", "stride_td")
    return CompileCase(
        name=f"bf16-{name}",
        kernel=fm_broadcast_packed_fwd_kernel,
        signature={
            **dict.fromkeys(("c", "y", "t", "out"), "*bf16"), "cand_to_user": "*i32", **dict.fromkeys(integers, "i32"),
        },
        constants={"PRECISION": "ieee", "ROWS": PACKED[name].rows, "WIDTH": width, "RANK": rank},
        num_warps=PACKED[name].num_warps,
        num_stages=PACKED[name].num_stages,
        aligned=("c", "y", "t", "cand_to_user", "out", "d", "k", *integers[4:]),
        needs=("HGMMA", "LDG*128", "STG.E.128"),
        forbids=("HMMA",),
    )  # fmt: skip


def _single_case(name: str, width: int, rank: int, both: bool) -> CompileCase:
    c = SINGLE[name]
    strides = ("stride_cn", "stride_cr", "stride_y", "stride_tb", "stride_td", "stride_ub", "stride_ur")
    floats = ("c", "y", "t", "out_c", *(("u", "out_u") if both else ()))
    return CompileCase(
        name=f"bf16-{name}-both" if both else f"bf16-{name}",
        kernel=fm_broadcast_fwd_kernel,
        signature={
            **dict.fromkeys(floats, "*bf16"), "cand_to_user": "*i32",
            **dict.fromkeys(("n", "nc", "d", "k", "nu", *strides), "i32"),
        },
        constants={
            **({} if both else {"u": None, "out_u": None}), "PRECISION": "ieee", "ROWS": c.rows,
            "CANDIDATES": c.candidates, "WIDTH": width, "RANK": rank,
        },
        num_warps=c.num_warps,
        num_stages=c.num_stages,
        aligned=(*floats, "cand_to_user", "d", "k", *strides),
        needs=("HGMMA", "LDG*128", "STG.E.128"),
        forbids=("HMMA",),
    )  # fmt: skip
