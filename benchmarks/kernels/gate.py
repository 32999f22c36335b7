"""Right before fast: every provider against the definition in float64, on fresh inputs, before anything is timed."""

import torch

from benchmarks.kernels.case import Case, Inputs


def relative_error(out: torch.Tensor, expected: torch.Tensor) -> float:
    """`|out - expected| / |expected|` over all elements; infinite with NaN or another shape."""
    if out.shape != expected.shape:
        return float("inf")
    out, expected = out.double(), expected.double()
    error = float((out - expected).norm() / expected.norm().clamp(min=1e-300))
    return error if error == error else float("inf")


def errors(case: Case, inputs: Inputs) -> dict[str, float]:
    """The relative error of every provider."""
    with torch.inference_mode():
        expected = case.exact(*inputs)
        return {name: relative_error(provider(*inputs), expected) for name, provider in case.providers.items()}
