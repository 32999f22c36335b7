"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.gather_dequant.kernel import (
    UNFUSED,
    config_for,
    constants_of,
    gather_dequant_fwd_kernel,
    gather_dequant_pool_fwd_kernel,
)
from kernels.gather_dequant.wire import NUM_BITS, WireFormat


def compile_cases() -> list[CompileCase]:
    """Every dtype of rows to bf16 and float32, behind a header of 64 bytes; bags of one dtype.

    All of 64 values: tiles of other widths hold as many.
    """
    c = config_for(64)
    wires = {
        name: WireFormat(name, 64, 64, None if name == "fp16" else 48, 52 if name.startswith("int") else None, centre)
        for name, centre in zip(NUM_BITS, (0.0, 127.5, 7.5, 0.0), strict=True)
    }
    rows = [
        CompileCase(
            name=f"{name}-to-{dtype}",
            kernel=gather_dequant_fwd_kernel,
            signature={
                "staging": "*u8", "slot": "*i32", "default": "*fp32", "out": f"*{dtype}", "hit": "*u8",
                **dict.fromkeys(("pairs", "features", "kinds", "width", "row_bytes", "stride_n", "stride_f"), "i32"),
            },
            constants={**constants_of(wire), "ROWS": c.rows, "COLUMNS": c.columns},
            num_warps=c.num_warps,
            aligned=(
                "staging", "slot", "default", "out", "hit", "width", "row_bytes", "stride_n", "stride_f",
            ),
            needs=("LDG.E.128*", "STG.E.128*"),
            options=UNFUSED,
        )
        for name, wire in wires.items()
        for dtype in ("bf16", "fp32")
    ]  # fmt: skip
    bags = [
        CompileCase(
            name=f"int8-pooled-to-{dtype}",
            kernel=gather_dequant_pool_fwd_kernel,
            signature={
                **dict.fromkeys(("slot", "bag_offsets"), "*i32"), **dict.fromkeys(("staging", "hit"), "*u8"),
                "default": "*fp32", "out": f"*{dtype}", **dict.fromkeys(("bags", "width", "row_bytes"), "i32"),
            },
            constants={**constants_of(wires["int8"]), "MEAN": True, "ROWS": c.rows, "COLUMNS": c.columns},
            num_warps=c.num_warps,
            aligned=("staging", "slot", "bag_offsets", "default", "out", "hit", "width", "row_bytes"),
            needs=("LDG.E.128*|LDGSTS*128", "STG.E.128*"),
            options=UNFUSED,
        )
        for dtype in ("bf16", "fp32")
    ]  # fmt: skip
    return [*rows, *bags]
