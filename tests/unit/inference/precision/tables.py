"""Precision tables made by hand: only what serving reads is filled in."""

from collections.abc import Mapping

from inference.precision.changes import Change, Changes
from inference.precision.recipes import ROWWISE
from inference.precision.table import PrecisionTable, Served, VariantPrecision
from inference.precision.tops import SameTop
from inference.release import Release

GPU = "NVIDIA H200"
KEPT = {"from_candidate": ROWWISE, "hops.0.query": ROWWISE}  # one that is given the request's part, one plain
NOTHING = Changes(Change(0.0, 0.0), None)
SERVED = Served(from_float32=NOTHING, from_bf16=NOTHING, same_top=SameTop(None, None))


def table(
    release: Release,
    kept: Mapping[str, str],
    variant: str = "standard",
    gpu: str | None = GPU,
    weights_sha256: str | None = None,
) -> PrecisionTable:
    """Of one variant."""
    found = VariantPrecision(
        num_requests=256, num_conversions=0, log_loss=0.1, conversion_log_loss=None, ten_by_chance=None, sites=[],
        chosen=dict(kept), served=SERVED, everywhere={}, whole_pass=None, not_kept=None, kept=dict(kept),
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
