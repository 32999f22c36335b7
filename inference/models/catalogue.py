"""The items that a release was trained on: id -> index of its embedding, and their features for reading histories."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inference.models.features import FeatureSpec, ItemFeatures, encode_features
from inference.models.hashing import hash_all
from runtime.ids import ItemId

UNKNOWN = 0  # the row of dropped and unknown ids; known items begin at 1


class Catalogue(nn.Module):
    """Buffers only: sorted 64-bit hashes of the known ids, and these items' encoded features behind row 0."""

    def __init__(self, hashes: torch.Tensor, tokens: torch.Tensor, offsets: torch.Tensor, numbers: torch.Tensor):
        super().__init__()
        self.hashes: torch.Tensor
        self.tokens: torch.Tensor
        self.offsets: torch.Tensor
        self.numbers: torch.Tensor
        self.register_buffer("hashes", hashes)  # [I] int64, ascending
        self.register_buffer("tokens", tokens)
        self.register_buffer("offsets", offsets)  # [I + 2] int64
        self.register_buffer("numbers", numbers)  # [I + 1, 2 F] float32

    @property
    def num_items(self) -> int:
        """Rows of an id table for this catalogue: the known items and row 0."""
        return len(self.hashes) + 1

    @property
    def features(self) -> ItemFeatures:
        """Features of rows 0 to num_items - 1; row 0 has none."""
        return ItemFeatures(self.tokens, self.offsets, self.numbers)

    def index_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Index of each id, [N] int64; UNKNOWN where the release does not know it."""
        known = self.hashes.numpy()
        wanted = hash_all(ids)
        if not len(known):
            return np.zeros(len(wanted), dtype=np.int64)
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[place] == wanted, place + 1, UNKNOWN)


def build_catalogue(items: Mapping[ItemId, Mapping[str, object]], spec: FeatureSpec) -> Catalogue:
    """The catalogue of `items` (id -> features); of two ids with one hash the later is unknown."""
    by_hash = dict(zip(hash_all(items).tolist(), items.values(), strict=True))
    hashes = sorted(by_hash)
    encoded = encode_features(spec, [{}, *(by_hash[value] for value in hashes)])
    return Catalogue(torch.tensor(hashes, dtype=torch.int64), encoded.tokens, encoded.offsets, encoded.numbers)
