"""By which recipes a loaded release is served on a GPU: those that its table keeps, if the table holds here."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from inference.precision.recipes import SERVED, check_recipes
from inference.precision.table import PrecisionTable, read_precision
from inference.release import Release
from runtime.logs import kv

log = logging.getLogger(__name__)


class Precision(StrEnum):
    """What a release runs in, and why in nothing faster: words of the log and of metrics."""

    FLOAT32 = "float32"  # on a CPU, where FP8 saves no time
    FP8 = "fp8"  # where the table keeps it, bf16 elsewhere
    NOTHING_KEPT = "bf16_nothing_kept"
    NO_TABLE = "bf16_no_table"
    OTHER_GPU = "bf16_other_gpu"  # the table's speeds are of another
    TABLE_REFUSED = "bf16_table_refused"  # of other weights, of another format, or damaged
    OFF = "bf16_off"


@dataclass(frozen=True, slots=True)
class ReleasePrecision:
    """In what one release runs here; `recipes`: variant -> site -> recipe, of what runs in FP8."""

    precision: Precision
    recipes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def num_fp8(self, variant: str) -> int:
        """Linears of a variant that run in FP8."""
        return len(self.recipes.get(variant, {}))


def release_precision(release: Release, gpu: str | None) -> ReleasePrecision:
    """Reads the table of `release` for a GPU of the name `gpu`, None to run nothing in FP8. Never raises for a table.

    Its speeds were measured: on another kind of GPU they prove nothing.
    """
    if gpu is None:
        return ReleasePrecision(Precision.OFF)
    try:
        table = read_precision(release.location, release.manifest.weights_sha256)
        kept = {} if table is None else _kept(table, release)
    except ValueError as error:  # an optional file stops nobody
        log.warning(kv("precision table refused, serving bf16", version=release.model_version, error=error))
        return ReleasePrecision(Precision.TABLE_REFUSED)
    if table is None:
        return ReleasePrecision(Precision.NO_TABLE)
    if not any(kept.values()):
        return ReleasePrecision(Precision.NOTHING_KEPT)
    if table.gpu != gpu:
        of = {"measured_on": table.gpu, "gpu": gpu}
        log.warning(kv("precision table is of another GPU, serving bf16", version=release.model_version, **of))
        return ReleasePrecision(Precision.OTHER_GPU)
    return ReleasePrecision(Precision.FP8, kept)


def _kept(table: PrecisionTable, release: Release) -> dict[str, dict[str, str]]:
    """What the table keeps; ValueError unless all of it is linears of this release in recipes that can be served."""
    for name, variant in table.variants.items():
        check_recipes(release.bundle.ranker(name), variant.kept, SERVED)
    return {name: variant.kept for name, variant in table.variants.items()}
