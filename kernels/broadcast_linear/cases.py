"""What the compile gate builds of this op: the arguments of its kernels, by name, for each configuration."""

from typing import Any

from kernels.broadcast_linear.config import FINISH_OUTPUTS, FINISH_ROWS, FP8_PROMOTE, GROUP_ROWS, Config
from kernels.compile_case import CompileCase


def product_case(kernel: Any, name: str, c: Config, epilogue: str = "none", dtype: str = "bf16") -> CompileCase:
    """The fused kernel in one configuration."""
    finishing, constants = _finishing_signature(epilogue, "fp32" if dtype == "fp32" else "bf16")
    fp8, descriptors = dtype == "fp8e4nv", c.descriptors
    unit = {"bf16": ("HGMMA",), "fp8e4nv": ("QGMMA",)}.get(dtype, ())
    tiles = {"x": [c.rows, c.depth], "weight": [c.outputs, c.depth]}
    strides = ("stride_x", "stride_w", "stride_o")
    scales = ("x_scale", "weight_scale")
    signature = {
        **{name: f"tensordesc<{dtype}{tile}>" if descriptors else f"*{dtype}" for name, tile in tiles.items()},
        "out": "*fp32" if dtype == "fp32" else "*bf16", **(dict.fromkeys(scales, "*fp32") if fp8 else {}),
        **dict.fromkeys(("n", "h", "k", *strides), "i32"), **finishing,
    }  # fmt: skip
    pointers = [name for name, kind in signature.items() if kind.startswith("*")]
    integers = [name for name, kind in signature.items() if kind == "i32" and name != "n"]
    specialized = ("USETMAXREG",) if c.specialize else ()
    copies = "UTMALDG" if descriptors else "LDGSTS.E.BYPASS.128|LDGSTS.E.BYPASS.LTC128B.128"
    return CompileCase(
        name=name,
        kernel=kernel,
        signature=signature,
        constants={
            **({} if fp8 else dict.fromkeys(scales)), **constants,
            "PRECISION": "ieee", "PROMOTE": FP8_PROMOTE if fp8 else None,
            "ROWS": c.rows, "OUTPUTS": c.outputs, "DEPTH": c.depth, "GROUP": GROUP_ROWS,
            "DESCRIPTORS": descriptors, "SPECIALIZE": c.specialize,
        },
        num_warps=c.num_warps,
        num_stages=c.num_stages,
        aligned=(*pointers, *integers),
        needs=(*unit, copies, "STG.E.128", *specialized),
        forbids=("HMMA",),
    )  # fmt: skip


def finish_case(kernel: Any, dtype: str = "bf16", block: int | None = None) -> CompileCase:
    """The pass over the library's product, where it normalises blocks of this width."""
    finishing, constants = _finishing_signature("none" if block is None else "blocknorm", dtype)
    return CompileCase(
        name=f"{dtype}-finish" + ("" if block is None else f"-block-{block}"),
        kernel=kernel,
        signature={
            **dict.fromkeys(("product", "out"), f"*{dtype}"),
            **dict.fromkeys(("n", "h", "stride_p", "stride_o"), "i32"), **finishing,
        },
        constants={**constants, "ROWS": FINISH_ROWS, "OUTPUTS": block or FINISH_OUTPUTS},
        aligned=("product", "out", "h", "stride_p", "stride_o", "request", "cand_to_user", "stride_r"),
        needs=("LDG.E.128", "STG.E.128"),
    )  # fmt: skip


def _finishing_signature(epilogue: str, dtype: str) -> tuple[dict[str, str], dict[str, object]]:
    """Types of the arguments in `_finishing` that this epilogue reads, and the constants that stand for the others."""
    used = {
        "cross": {"x0": f"*{dtype}", "x1": f"*{dtype}", "stride_x0": "i32", "stride_x1": "i32"},
        "normed": dict.fromkeys(("rstd", "mean", "gain", "offset"), "*fp32"),
        "blocknorm": {"eps": "fp32"},
    }.get(epilogue, {})
    unused: dict[str, object] = {
        **dict.fromkeys(("x0", "x1", "rstd", "mean", "gain", "offset")), "stride_x0": 0, "stride_x1": 0, "eps": 0.0,
    }  # fmt: skip
    signature = {"request": f"*{dtype}", "cand_to_user": "*i32", "stride_r": "i32", **used}
    constants = {name: value for name, value in unused.items() if name not in used}
    return signature, {**constants, "EPILOGUE": epilogue, "ACTIVATION": "silu"}
