"""What was found, as the release keeps it: `precision.json` beside the weights it is true of."""

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import orjson

from inference.manifest import ReleaseError
from inference.precision.changes import Changes
from inference.precision.errors import KernelError
from inference.precision.timing import PassTimes
from inference.precision.tops import SameTop

FORMAT = 3
PRECISION_FILE = "precision.json"
CONDITIONS = ("budget", "source", "candidates", "gpu", "torch")  # of all variants of a table


@dataclass(frozen=True, slots=True)
class RecipeRow:
    """One site under one recipe; times in microseconds, None where no GPU measured them."""

    real: KernelError  # on held-out rows as they came
    sampled: KernelError  # on rows drawn from a normal distribution with their moments
    changes: Changes  # with this site alone in this recipe, the others in float32
    us: float | None  # quantisation included
    speedup: float | None  # over bf16
    verdict: str


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One linear."""

    site: str
    inputs: int
    outputs: int
    tail: float  # largest magnitude of its inputs over their root mean square
    recipes: dict[str, RecipeRow]

    def __post_init__(self) -> None:
        """ValueError names a figure that is not finite: JSON has no word for it."""
        _check_finite(f"site {self.site}", asdict(self))


@dataclass(frozen=True, slots=True)
class Served:
    """What serving in one way changes, on requests that had no part in the choice."""

    from_float32: Changes  # what the budget is of
    from_bf16: Changes  # from the same ranker with nothing in FP8
    same_top: SameTop  # of the order in float32


@dataclass(frozen=True, slots=True)
class VariantPrecision:
    """One ranker. `served` and `everywhere` are of it as it serves: in bf16 what is not FP8, the heads in float32."""

    num_requests: int  # held-out ones
    num_conversions: int  # of these
    log_loss: float  # of a click, in float32
    conversion_log_loss: float | None  # of the clicked; None: too few conversions, and the budget is of clicks alone
    ten_by_chance: float | None  # `SameTop.ten` of an order without any sense
    sites: list[SiteRow]
    chosen: dict[str, str]  # site -> recipe: within the budget on the requests of the choice
    served: Served  # by the chosen ones
    everywhere: dict[str, Served]  # recipe -> with every linear in it; bf16: with nothing in FP8
    whole_pass: PassTimes | None  # with the chosen ones; None where no GPU measured it
    not_kept: str | None  # why the chosen ones are not kept
    kept: dict[str, str]  # site -> recipe: what a ranker may run

    def __post_init__(self) -> None:
        """As of a site."""
        _check_finite("all sites together", asdict(self))  # a list is not looked into: every site has looked


@dataclass(frozen=True, slots=True)
class PrecisionTable:
    """A release's precision map with all that it rests on."""

    model: str
    version: str
    weights_sha256: str
    budget: float
    source: str  # of the held-out requests
    candidates: int  # rows of a product, and candidates of the one request, when they were timed
    gpu: str | None  # that the times are of
    torch: str
    variants: dict[str, VariantPrecision]
    format: int = FORMAT

    def differences(self, other: "PrecisionTable") -> list[str]:
        """In which conditions `other` differs, in words: variants of both cannot stand in one table then."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in CONDITIONS}
        return [f"{name} is {mine}, was {theirs}" for name, (mine, theirs) in pairs.items() if mine != theirs]

    def write(self, location: Path) -> Path:
        """Into the bundle `location`, over what is there, whole or not at all. The release's own hash stays."""
        path = location / PRECISION_FILE
        descriptor, temporary = tempfile.mkstemp(dir=location, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.encode())
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return path

    def encode(self) -> bytes:
        """JSON for people and programs: indented, sorted keys."""
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


def read_precision(location: Path, weights_sha256: str) -> PrecisionTable | None:
    """The table of the bundle `location`, None if it has none; ReleaseError for others or another format."""
    path = location / PRECISION_FILE
    try:
        encoded = path.read_bytes()
        if (found := msgspec.json.decode(encoded, type=_Format).format) != FORMAT:
            raise ReleaseError(
                f"{path}: format is {found}, this program reads {FORMAT}; `python -m inference precision` makes it anew"
            )
        table = msgspec.json.decode(encoded, type=PrecisionTable)
    except FileNotFoundError:
        return None
    except ReleaseError:
        raise
    except (msgspec.DecodeError, OSError, ValueError, RecursionError) as error:
        raise ReleaseError(f"{path}: {error}") from None
    if table.weights_sha256 != weights_sha256:
        raise ReleaseError(f"{path} is of weights {table.weights_sha256}, the release has {weights_sha256}")
    return table


@dataclass(frozen=True, slots=True)
class _Format:
    """What is read first: a table of another format need not have the fields of this one."""

    format: int = FORMAT  # a file without it is no table: its first missing field says so


def _check_finite(owner: str, figures: Mapping[str, object]) -> None:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            _check_finite(f"{owner}, {name}", value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{owner}: {name} is {value}")
