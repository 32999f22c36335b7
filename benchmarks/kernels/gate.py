"""Right before fast: every provider against the definition in float64, on fresh inputs, before anything is timed."""

import math

import torch

from benchmarks.kernels.case import Case, Inputs, Outputs


def relative_error(out: torch.Tensor, expected: torch.Tensor) -> float:
    """`|out - expected| / |expected|` over all elements, `|out|` where all should be zeros; infinite with NaN."""
    if out.shape != expected.shape:
        return math.inf
    expected = expected.double().to(out.device)
    error, scale = float((out.double() - expected).norm()), float(expected.norm())
    if not math.isfinite(error):
        return math.inf
    return error / scale if scale else error


def largest_error(out: Outputs, expected: Outputs) -> float:
    """The relative error, of several outputs the largest; infinite where they are not as many."""
    outs, wanted = ((x,) if isinstance(x, torch.Tensor) else x for x in (out, expected))
    if len(outs) != len(wanted):
        return math.inf
    return max(relative_error(one, other) for one, other in zip(outs, wanted, strict=True))


def errors(case: Case, inputs: Inputs) -> dict[str, float]:
    """The relative error of every provider."""
    with torch.inference_mode():
        expected = case.exact(*inputs)
        return {name: largest_error(provider(*inputs), expected) for name, provider in case.providers.items()}
