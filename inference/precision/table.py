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
from inference.precision.errors import KernelError

FORMAT = 2
PRECISION_FILE = "precision.json"
CONDITIONS = ("budget", "source", "candidates", "gpu", "torch")  # of all variants of a table


@dataclass(frozen=True, slots=True)
class RecipeRow:
    """One site under one recipe; times in microseconds, None where no GPU measured them."""

    real: KernelError  # on held-out rows as they came
    sampled: KernelError  # on rows drawn from a normal distribution with their moments
    change: float  # relative change of the log loss with this site alone in this recipe, the others in float32
    us: float | None  # quantisation included
    speedup: float | None  # over bf16
    verdict: str


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One linear."""

    site: str
    inputs: int
    outputs: int
    per_candidate: bool
    tail: float  # largest magnitude of its inputs over their root mean square
    recipes: dict[str, RecipeRow]

    def __post_init__(self) -> None:
        """ValueError names a figure that is not finite: JSON has no word for it."""
        _check_finite(f"site {self.site}", asdict(self))


@dataclass(frozen=True, slots=True)
class ServedChange:
    """Relative change of the log loss by serving in one way, the larger one of two halves of the requests; with one
    standard error over all of them."""

    from_float32: float  # what the budget is of
    from_float32_error: float
    from_bf16: float  # from the same ranker with nothing in FP8
    from_bf16_error: float


@dataclass(frozen=True, slots=True)
class VariantPrecision:
    """One ranker. `change`, `verified` and `naive` are of it as it serves: in bf16 what is not in FP8, and the heads in
    float32; `verified` and `naive` are on requests that the choice was not made on."""

    num_requests: int  # held-out ones
    log_loss: float  # in float32
    sites: list[SiteRow]
    within_budget: dict[str, str]  # site -> recipe: passes the error; what a machine may use that proves the speed
    kept: dict[str, str]  # site -> recipe: passes error and speed
    change: float  # from float32, of the sites within the budget together, on the requests of the choice
    verified: ServedChange  # of the same
    naive: dict[str, ServedChange]  # recipe -> with every linear in it; bf16: with nothing in FP8

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
    candidates: int  # rows of a product when it was timed
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
    """The table of the bundle `location`, None if it has none; ReleaseError if it is not of these weights."""
    path = location / PRECISION_FILE
    try:
        table = msgspec.json.decode(path.read_bytes(), type=PrecisionTable)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError, ValueError, RecursionError) as error:
        raise ReleaseError(f"{path}: {error}") from None
    if table.format != FORMAT:
        raise ReleaseError(f"{path}: format is {table.format}, this program reads {FORMAT}")
    if table.weights_sha256 != weights_sha256:
        raise ReleaseError(f"{path} is of weights {table.weights_sha256}, the release has {weights_sha256}")
    return table


def _check_finite(owner: str, figures: Mapping[str, object]) -> None:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            _check_finite(f"{owner}, {name}", value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{owner}: {name} is {value}")
