"""A release: one bundle on disk (weights and manifest), loaded and ready to compute rows and scores.

A bundle is a directory with `manifest.json` and `weights.safetensors`. Its hash is the SHA-256 of the manifest, which
holds the SHA-256 of the weights, so that one value covers both. Everything here is CPU float32 and deterministic; a
`Release` changes nothing after it was loaded, so that any number of threads may use it.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save

from cache.store import History
from inference.context import encode_context
from inference.history import history_batch
from inference.manifest import Manifest, ReleaseError, decode_manifest
from inference.models.bundle import Bundle
from inference.models.catalogue import Catalogue
from inference.models.features import ItemFeatures, encode_features
from inference.models.history_encoder import HistoryBatch
from inference.models.ranker import VARIANTS
from inference.protocol import RankInputs, RankOutputs
from runtime.ids import ItemId, ModelVersion
from streams.wire.events import Context, FeatureValue

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "weights.safetensors"

Rows = NDArray[np.float32]
ItemWithFeatures = tuple[ItemId, Mapping[str, FeatureValue]]


class Release:
    """A loaded bundle. Rows depend on the release and the inputs alone, not on what else is in the batch."""

    def __init__(self, manifest: Manifest, bundle: Bundle, sha256: str, location: Path) -> None:
        self.manifest = manifest
        self.bundle = bundle.eval().requires_grad_(False)
        self.sha256 = sha256
        self.location = location  # of the bundle: what was found out about a release later lies beside its weights
        with torch.inference_mode():
            self._history_items = sum(bundle.known_items(bundle.items), torch.zeros(()))
            self._foundation_items = sum(bundle.known_items(bundle.foundation_items), torch.zeros(()))

    @property
    def model_version(self) -> ModelVersion:
        return self.manifest.model_version

    @torch.inference_mode()
    def item_rows(self, items: Sequence[ItemWithFeatures]) -> Rows:
        """Item rows [N, D] float32."""
        ids, features = self._items(items)
        encoder = self.bundle.items
        return _numpy(self.bundle.item_tower(encoder.ids(ids), encoder.features(features)))

    @torch.inference_mode()
    def user_rows(self, histories: Sequence[History]) -> Rows:
        """User rows [B, T, D] float32; a history without events gives the row of a new user."""
        return _numpy(self.bundle.user_tokens(self._histories(histories), self._history_items))

    @torch.inference_mode()
    def pair_rows(self, history: History, items: Sequence[ItemWithFeatures]) -> Rows:
        """Pair rows [N, P] float32 of one user and N items, by the foundation model."""
        ids, features = self._items(items)
        batch = self._histories([history])
        encoder, foundation = self.bundle.foundation_items, self.bundle.foundation
        tap = foundation(
            batch,
            self._foundation_items[batch.items],
            ids[None],
            encoder.ids(ids)[None],
            encoder.features(features)[None],
        )
        return _numpy(foundation.pair_rows(tap)[0])

    def context(self, surface: str | None, context: Context | None) -> Rows:
        """Context features of one request, [C] float32."""
        return encode_context(surface, context, self.manifest.context_width)

    @torch.inference_mode()
    def score(self, variant: str, inputs: RankInputs) -> RankOutputs:
        """Probabilities of every candidate by one variant; ValueError if the release has no such variant."""
        return self.bundle.ranker(variant).score(inputs)

    def _items(self, items: Sequence[ItemWithFeatures]) -> tuple[torch.Tensor, ItemFeatures]:
        index = self.bundle.catalogue.index_of([item for item, _ in items])
        return torch.from_numpy(index), encode_features(self.manifest.features, [features for _, features in items])

    def _histories(self, histories: Sequence[History]) -> HistoryBatch:
        manifest = self.manifest
        return history_batch(histories, self.bundle.catalogue, manifest.values, manifest.history_length)


def save_release(location: Path, bundle: Bundle, manifest: Manifest) -> str:
    """Write a bundle to the directory `location`, all of it or nothing; return its SHA-256.

    Raises FileExistsError if `location` exists: a version is never overwritten.
    """
    if location.exists():
        raise FileExistsError(f"{location} exists; a release is never overwritten")
    weights = weights_of(bundle)
    data = manifest.with_weights(weights).encode()
    location.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=location.parent, prefix=".writing-"))
    try:
        for name, content in ((WEIGHTS_FILE, weights), (MANIFEST_FILE, data)):
            with open(temporary / name, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        temporary.chmod(0o755)
        temporary.rename(location)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return hashlib.sha256(data).hexdigest()


def weights_of(bundle: Bundle) -> bytes:
    """The content of `weights.safetensors`: the same weights give the same bytes."""
    weights: bytes = save({name: tensor.contiguous() for name, tensor in bundle.state_dict().items()})
    return weights


def load_release(location: Path, expected_sha256: str | None = None) -> Release:
    """Load the bundle in the directory `location` and verify it; ReleaseError says what does not match."""
    try:
        data, weights = (location / MANIFEST_FILE).read_bytes(), (location / WEIGHTS_FILE).read_bytes()
    except OSError as error:
        raise ReleaseError(f"release {location}: {error}") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise ReleaseError(f"release {location}: sha256 of {MANIFEST_FILE} is {sha256}, expected {expected_sha256}")
    try:
        manifest = decode_manifest(data)
    except ReleaseError as error:
        raise ReleaseError(f"release {location}: {error}") from None
    found = hashlib.sha256(weights).hexdigest()
    if found != manifest.weights_sha256:
        raise ReleaseError(f"release {location}: sha256 of {WEIGHTS_FILE} is {found}, not {manifest.weights_sha256}")
    unknown = sorted(set(manifest.variants) - set(VARIANTS))
    if unknown:
        raise ReleaseError(f"release {location}: variants {unknown} are not known here")
    try:
        bundle = _bundle(manifest, load(weights))
    except (SafetensorError, ReleaseError, RuntimeError) as error:
        raise ReleaseError(f"release {location}: {WEIGHTS_FILE} does not fit the manifest: {error}") from None
    return Release(manifest, bundle, sha256, location)


def _bundle(manifest: Manifest, state: Mapping[str, torch.Tensor]) -> Bundle:
    """A bundle with these weights; ReleaseError names the first tensor that does not fit, and counts the others."""
    names = [f"catalogue.{name}" for name in ("hashes", "tokens", "offsets", "numbers")]
    misfits = [f"{name} is missing" for name in names if name not in state]
    if not misfits:
        bundle = Bundle(manifest.sizes, Catalogue(*(state[name] for name in names)), manifest.variants)
        wanted = bundle.state_dict()
        misfits = [
            f"{name} is {list(state[name].shape)} and must be {list(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in state and state[name].shape != tensor.shape
        ]
        misfits += [f"{name} is missing" for name in wanted if name not in state]
        misfits += [f"{name} is not known here" for name in state if name not in wanted]
    if misfits:
        more = f", and {len(misfits) - 1} more" if len(misfits) > 1 else ""
        raise ReleaseError(f"{misfits[0]}{more}: train again")
    bundle.load_state_dict(state)
    return bundle


def _numpy(tensor: torch.Tensor) -> Rows:
    rows: Rows = tensor.numpy()
    return rows
