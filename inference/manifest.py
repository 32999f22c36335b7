"""What a release says about itself: `manifest.json` of a bundle."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import orjson

from inference.history import ValueScale
from inference.models.features import FeatureSpec
from inference.models.sizes import Sizes
from runtime.ids import ModelVersion

FORMAT = 2
HOUR_MS = 3_600_000
PAIR_TTL_MS = 6 * HOUR_MS


class ReleaseError(ValueError):
    """A bundle is not what it should be; the message names what differs."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Sizes, meaning of the inputs, bounds of freshness, and how good it is. Times in milliseconds."""

    model: str
    version: str
    sizes: Sizes
    features: FeatureSpec
    values: ValueScale
    variants: tuple[str, ...]
    weights_sha256: str = ""  # filled when saved
    conversion_weight: float = 1.0  # w of score = bid x p_click x (1 + w x p_conversion)
    user_fresh_ms: int = 0  # a row behind its history and this young is used as it is: fewer tower runs, later clicks
    user_failover_ms: int = 24 * HOUR_MS
    pair_ttl_ms: int = PAIR_TTL_MS
    metrics: dict[str, Any] = field(default_factory=dict)  # Any: the report of the evaluation, for people and pages
    format: int = FORMAT

    @property
    def model_version(self) -> ModelVersion:
        return ModelVersion(self.model, self.version)

    @property
    def history_length(self) -> int:
        return self.sizes.history_length

    @property
    def user_tokens(self) -> int:
        return self.sizes.user_tokens

    @property
    def item_width(self) -> int:
        return self.sizes.item_width

    @property
    def pair_width(self) -> int:
        return self.sizes.pair_width

    @property
    def context_width(self) -> int:
        return self.sizes.context_width

    @property
    def user_width(self) -> int:
        """Width of a stored user row: T x D."""
        return self.sizes.user_tokens * self.sizes.item_width

    def with_weights(self, weights: bytes) -> "Manifest":
        """This manifest for these weights."""
        return replace(self, weights_sha256=hashlib.sha256(weights).hexdigest())

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces."""
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def decode_manifest(data: bytes) -> Manifest:
    """Parse and check a manifest; raises ReleaseError naming the field."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, ValueError) as error:
        raise ReleaseError(f"manifest.json: {error}") from None
    if manifest.format != FORMAT:
        raise ReleaseError(f"manifest.json: format is {manifest.format}, this program reads {FORMAT}: train again")
    return manifest
