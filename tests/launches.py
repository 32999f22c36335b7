"""What a launch makes Triton compile: the same specialisation as the compile gate builds it."""

from collections.abc import Iterable, Iterator

import torch
from triton.tools.tensor_descriptor import TensorDescriptor

from kernels.compile_case import CompileCase
from tests.fake_gpu import Launch

TYPES = {
    torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16", torch.float8_e4m3fn: "fp8e4nv",
    torch.int64: "i64", torch.int32: "i32", torch.int16: "i16", torch.int8: "i8", torch.uint8: "u8", torch.bool: "i1",
}  # fmt: skip


def case_of(launch: Launch) -> CompileCase:
    """Absent arguments and ones are constants to Triton; integers it knows as multiples of 16 or not."""
    signature: dict[str, str] = {}
    constants: dict[str, object] = {}
    aligned = []
    for parameter in launch.kernel.params:
        name, value = parameter.name, launch.given[parameter.name]
        if parameter.is_constexpr or value is None or (type(value) is int and value == 1):
            constants[name] = value
        elif isinstance(value, torch.Tensor):
            signature[name] = f"*{TYPES[value.dtype]}"
            aligned.append(name)  # fresh tensors begin at multiples of 256 bytes
        elif isinstance(value, TensorDescriptor):
            signature[name] = f"tensordesc<{TYPES[value.base.dtype]}{list(value.block_shape)}>"
        elif isinstance(value, float):
            signature[name] = "fp32"
        else:
            signature[name] = "i32" if -(2**31) <= value < 2**31 else "i64"
            if value % 16 == 0:
                aligned.append(name)
    options = dict(launch.options)
    warps, stages = options.pop("num_warps", 4), options.pop("num_stages", 3)
    return CompileCase(launch.name, launch.kernel, signature, constants, warps, stages, aligned, options=options)


def distinct(launches: Iterable[Launch]) -> Iterator[CompileCase]:
    """What they make Triton compile, each once."""
    seen = set()
    for case in map(case_of, launches):
        key = (
            case.name, *map(str, (sorted(case.signature.items()), sorted(case.constants.items()), case.aligned)),
            case.num_warps, case.num_stages,
        )  # fmt: skip
        if key not in seen:
            seen.add(key)
            yield case
