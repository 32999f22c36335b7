"""How near a kernel must come to the definition computed in float64 on the same (rounded) inputs."""

import torch

from benchmarks.kernels.gate import relative_error

# Relative Frobenius error: float32 as IEEE; the shorter ones are what rounding the output alone costs, twice.
TOLERANCE = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 5e-3}


def assert_close(out: torch.Tensor, expected: torch.Tensor, tolerance: float | None = None) -> None:
    """Raise AssertionError with the error where it exceeds the tolerance of the output's dtype."""
    allowed = TOLERANCE[out.dtype] if tolerance is None else tolerance
    error = relative_error(out, expected)
    assert error <= allowed, f"relative error {error:.2e} > {allowed:.0e}, shapes {out.shape} and {expected.shape}"
