"""What the compile gate builds of this op."""

from kernels.compile_case import CompileCase
from kernels.target_attention.config import CONFIGS, TRIALS
from kernels.target_attention.kernel import COMBINED_ROWS, target_attention_combine_kernel, target_attention_fwd_kernel


def compile_cases() -> list[CompileCase]:
    """Every shipped configuration: packed histories with split keys, equal ones with mask and self term, and SiLU."""
    cases = [
        *(_case("float32", width, False, 4, ("kv_offsets", "lse"), "fp32") for width in (16, 64, 128)),
        _case("float32", 64, False, 1, ("kv_mask", "self_k", "self_v"), "fp32"),
        _case("float32", 128, True, 1, ("kv_offsets",), "fp32"),
        *(_combine_case(silu) for silu in (False, True)),
        _combine_case(False, "fp32"),
    ]
    for name, width in (("short", 16), ("narrow", 64), ("wide", 128), ("widest", 256)):
        cases.append(_case(name, width, silu=False, splits=4, optional=("kv_offsets", "lse")))
        cases.append(_case(name, width, silu=False, splits=1, optional=("kv_mask", "self_k", "self_v")))
        cases.append(_case(name, width, silu=True, splits=1, optional=("kv_offsets",)))
    return cases + [
        _case(name, width, silu=False, splits=4, optional=("kv_offsets", "lse")) for name, (width, _) in TRIALS.items()
    ]


def _case(
    name: str, width: int, silu: bool, splits: int, optional: tuple[str, ...], dtype: str = "bf16"
) -> CompileCase:
    types = {
        **dict.fromkeys(("q", "k", "v", "self_k", "self_v"), f"*{dtype}"), "kv_mask": "*i1",
        "user_offsets": "*i32", "kv_offsets": "*i32", "out": f"*{dtype}" if splits == 1 else "*fp32", "lse": "*fp32",
    }  # fmt: skip
    absent = {"self_k", "self_v", "kv_mask", "kv_offsets", "lse"} - set(optional)
    strides = (*(f"stride_{x}{y}" for x in ("q", "k", "v", "sk", "sv", "o") for y in ("n", "h")), "stride_os")
    integers = ("requests", "length", "n", "e", "ev", *strides)
    c = CONFIGS[name] if name in CONFIGS else TRIALS[name][1]
    # 32 keys, or rows, of 16 numbers are 8 bytes for each thread.
    wide_loads = () if name == "short" or width == 16 else ("LDGSTS*128",)
    wide_stores = "STG.E.64" if dtype == "fp32" and width == 16 else "STG.E.128"
    units = ("HGMMA",) if dtype == "bf16" else ()
    return CompileCase(
        name="-".join(
            [dtype, str(width) if dtype == "fp32" else name, "silu" if silu else "softmax", str(splits), *optional]
        ),
        kernel=target_attention_fwd_kernel,
        signature={
            **{a: t for a, t in types.items() if a not in absent},
            **dict.fromkeys(integers, "i32"), "scale": "fp32", "divisor": "fp32",
        },
        constants={
            **dict.fromkeys(absent), "SILU": silu, "SPLITS": splits, "PRECISION": "ieee",
            "ROWS": c.rows, "KEYS": c.keys, "WIDTH": width, "VALUE_WIDTH": width,
        },
        num_warps=c.num_warps,
        num_stages=c.num_stages,
        aligned=(*(a for a in types if a not in absent), "e", "ev", *strides),
        needs=(*units, *wide_loads, wide_stores),
        forbids=("HMMA",),
    )  # fmt: skip


def _combine_case(silu: bool, dtype: str = "bf16") -> CompileCase:
    return CompileCase(
        name=f"{dtype}-combine-{'silu' if silu else 'softmax'}",
        kernel=target_attention_combine_kernel,
        signature={
            "parts": "*fp32", **({} if silu else {"lse": "*fp32"}), "out": f"*{dtype}",
            **dict.fromkeys(("splits", "entries", "ev", "stride_s"), "i32"), "divisor": "fp32",
        },
        constants={**({"lse": None} if silu else {}), "SILU": silu, "ROWS": COMBINED_ROWS, "VALUE_WIDTH": 64},
        aligned=("parts", "out", "ev", "stride_s"),
        needs=("LDG.E.128", "STG.E.128"),
    )  # fmt: skip
