"""What the compile gate builds of this op."""

from kernels.broadcast_linear.config import (
    CONFIGS,
    FINISH_OUTPUTS,
    FINISH_ROWS,
    FP8_CONFIGS,
    FP8_PROMOTE,
    FP32_CONFIG,
    GROUP_ROWS,
    TRIALS,
    Config,
    config_for,
)
from kernels.broadcast_linear.epilogue import BLOCK_WIDTHS
from kernels.broadcast_linear.kernel import broadcast_linear_finish_kernel, broadcast_linear_fwd_kernel
from kernels.compile_case import CompileCase

ITEMSIZE = {"bf16": 2, "fp32": 4, "fp8e4nv": 1}


def compile_cases() -> list[CompileCase]:
    """Every shipped configuration with every epilogue that it can have; of the trials what the benchmark runs."""
    shipped = {"bf16": CONFIGS, "fp8e4nv": FP8_CONFIGS, "fp32": {"": FP32_CONFIG}}
    return [
        *(
            _product_case(name, config, epilogue, dtype)
            for dtype, configs in shipped.items()
            for name, config in configs.items()
            for epilogue in ("none", "cross", "normed")
            if not (name == "fp8-wide" and epilogue != "none")  # `config_for` takes fp8-half: these spill
        ),
        *(
            _product_case(f"block-{width}", config_for(64, width, ITEMSIZE[dtype], width), "blocknorm", dtype)
            for dtype in shipped
            for width in BLOCK_WIDTHS
        ),
        *(_product_case(name, config) for name, config in TRIALS.items()),
        *(
            _finish_case(dtype, epilogue, outputs)
            for dtype in ("bf16", "fp32")
            for epilogue, outputs in (
                ("none", FINISH_OUTPUTS), ("cross", FINISH_OUTPUTS), *(("blocknorm", width) for width in BLOCK_WIDTHS)
            )
        ),
    ]  # fmt: skip


def _product_case(name: str, c: Config, epilogue: str = "none", dtype: str = "bf16") -> CompileCase:
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
    copies = "UTMALDG" if descriptors else "LDGSTS.E.BYPASS.128|LDGSTS.E.BYPASS.LTC128B.128"
    told = epilogue if epilogue in ("cross", "normed") else ""
    return CompileCase(
        name="-".join(part for part in (dtype.removesuffix("e4nv"), name.removeprefix("fp8-"), told) if part),
        kernel=broadcast_linear_fwd_kernel,
        signature=signature,
        constants={
            **({} if fp8 else dict.fromkeys(scales)), **constants,
            "PRECISION": "ieee", "PROMOTE": FP8_PROMOTE if fp8 else None,
            "ROWS": c.rows, "OUTPUTS": c.outputs, "DEPTH": c.depth, "GROUP": GROUP_ROWS,
            "DESCRIPTORS": descriptors,
        },
        num_warps=c.num_warps,
        num_stages=c.num_stages,
        aligned=(*pointers, *integers),
        needs=(*unit, copies, "STG.E.128"),
        forbids=("HMMA",),
    )  # fmt: skip


def _finish_case(dtype: str, epilogue: str, outputs: int) -> CompileCase:
    """The pass over the library's product; `Normed` never takes it."""
    finishing, constants = _finishing_signature(epilogue, dtype)
    kind = {"none": "", "blocknorm": f"-block-{outputs}"}.get(epilogue, f"-{epilogue}")
    return CompileCase(
        name=f"{dtype}-finish{kind}",
        kernel=broadcast_linear_finish_kernel,
        signature={
            **dict.fromkeys(("product", "out"), f"*{dtype}"),
            **dict.fromkeys(("n", "h", "stride_p", "stride_o"), "i32"), **finishing,
        },
        constants={**constants, "ROWS": FINISH_ROWS, "OUTPUTS": outputs},
        aligned=(
            "product", "out", "h", "stride_p", "stride_o",
            *(name for name, kind in finishing.items() if kind != "fp32"),  # eps is no address
        ),
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
    # What is made for `Normed` stays in float32: it cancels.
    request = "*fp32" if epilogue == "normed" else f"*{dtype}"
    signature = {"request": request, "cand_to_user": "*i32", "stride_r": "i32", **used}
    constants = {name: value for name, value in unused.items() if name not in used}
    return signature, {**constants, "EPILOGUE": epilogue, "ACTIVATION": "silu"}
