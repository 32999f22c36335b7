"""Triton's interpreter, switched on for this process alone, and mended where it computes other numbers than a GPU.

Its bf16 and fp8 are wrong in 3.6 and 3.7: casts truncate instead of rounding to nearest, and a dot multiplies bit
patterns. Both are replaced by PyTorch's; `tests/unit/kernels/test_interpreter.py` fails when a version changes that.
What stays wrong: arithmetic on bf16 outside a dot. The kernels convert to float32 right after every load.
"""

import os
import sys
from typing import Any

import numpy as np
import torch

MENDED = ("3.6.", "3.7.")
FP8_MAX = {torch.float8_e4m3fn: 448.0, torch.float8_e5m2: 57344.0}  # a GPU saturates, PyTorch's cast does not


def interpret_triton() -> None:
    """Run kernels on the CPU from here on. Before anything imports Triton; child processes are not affected."""
    if "triton" in sys.modules:
        import triton

        if triton.knobs.runtime.interpret:
            return
        raise RuntimeError("triton was imported before its interpreter was switched on")
    os.environ["TRITON_INTERPRET"] = "1"  # Triton's own functions read it while they are decorated
    import triton
    import triton.language
    import triton.runtime.interpreter as interpreter

    del os.environ["TRITON_INTERPRET"]
    triton.knobs.propagate_env = False
    triton.knobs.runtime.interpret = True
    if not triton.__version__.startswith(MENDED):
        raise RuntimeError(f"triton is {triton.__version__}; the interpreter was mended for {', '.join(MENDED)}")
    _mend(interpreter, triton.language)


def _mend(interpreter: Any, tl: Any) -> None:
    formats = {
        tl.float64: torch.float64, tl.float32: torch.float32, tl.float16: torch.float16, tl.bfloat16: torch.bfloat16,
        tl.float8e4nv: torch.float8_e4m3fn, tl.float8e5: torch.float8_e5m2,
    }  # fmt: skip
    bits = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}

    def values(data: Any, dtype: Any) -> torch.Tensor:
        integers = np.ascontiguousarray(data).view(bits[dtype.primitive_bitwidth])
        return torch.from_numpy(integers.copy()).view(formats[dtype])

    def convert_float(data: Any, source: Any, target: Any, rounding_mode: Any) -> Any:
        if "RTZ" in str(rounding_mode):
            raise NotImplementedError("rounding toward zero")
        given, goal = values(data, source), formats[target]
        if goal in FP8_MAX:
            given = given.clamp(-FP8_MAX[goal], FP8_MAX[goal])
        unsigned = {8: torch.uint8, 16: torch.uint16, 32: torch.uint32, 64: torch.uint64}[target.primitive_bitwidth]
        return given.to(goal).view(unsigned).numpy().reshape(np.shape(data))

    original_dot = interpreter.InterpreterBuilder.create_dot

    def create_dot(self: Any, a: Any, b: Any, d: Any, input_precision: Any, max_num_imprecise_acc: Any) -> Any:
        def widened(handle: Any) -> Any:
            scalar = handle.dtype.scalar
            if not (scalar.is_floating() and (scalar.primitive_bitwidth == 8 or scalar == tl.bfloat16)):
                return handle
            return interpreter.TensorHandle(values(handle.data, scalar).float().numpy(), tl.float32)

        return original_dot(self, widened(a), widened(b), d, input_precision, max_num_imprecise_acc)

    interpreter._convert_float = convert_float
    interpreter.InterpreterBuilder.create_dot = create_dot
