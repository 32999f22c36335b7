"""Precision tables made by hand: only what serving reads is filled in."""

from collections.abc import Mapping

from inference.precision.recipes import ROWWISE
from inference.precision.table import PrecisionTable, ServedChange, VariantPrecision
from inference.release import Release

GPU = "NVIDIA H200"
KEPT = {"from_candidate": ROWWISE, "hops.0.query": ROWWISE}  # one that is given the request's part, one plain


def table(
    release: Release,
    kept: Mapping[str, str],
    variant: str = "standard",
    gpu: str | None = GPU,
    weights_sha256: str | None = None,
) -> PrecisionTable:
    """Of one variant."""
    found = VariantPrecision(
        num_requests=256, log_loss=0.1, sites=[], within_budget=dict(kept), kept=dict(kept), change=0.0,
        verified=ServedChange(0.0, 0.0, 0.0, 0.0), naive={},
    )  # fmt: skip
    return PrecisionTable(
        model=release.manifest.model,
        version=release.manifest.version,
        weights_sha256=weights_sha256 or release.manifest.weights_sha256,
        budget=2e-4,
        source="synthetic",
        candidates=1000,
        gpu=gpu,
        torch="2.11",
        variants={variant: found},
    )
