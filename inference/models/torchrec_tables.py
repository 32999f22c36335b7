"""Embedding tables by torchrec: what shards over GPUs. The only file that imports it."""

import torch
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, EmbeddingCollection, EmbeddingConfig, PoolingType
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from inference.models.tables import Tables, initialise


class TorchrecTables(Tables):
    """`item_ids` is an EmbeddingCollection, `features` an EmbeddingBagCollection pooled by mean."""

    def __init__(self, num_items: int, num_buckets: int, width: int) -> None:
        super().__init__()
        self._width = width
        self.rows = EmbeddingCollection(
            tables=[
                EmbeddingConfig(name="item_ids", embedding_dim=width, num_embeddings=num_items, feature_names=["item"])
            ]
        )
        self.bags = EmbeddingBagCollection(
            tables=[
                EmbeddingBagConfig(
                    name="item_features",
                    embedding_dim=width,
                    num_embeddings=num_buckets,
                    feature_names=["feature"],
                    pooling=PoolingType.MEAN,
                )
            ]
        )
        initialise(self)

    def items(self, index: torch.Tensor) -> torch.Tensor:
        flat = index.reshape(-1)
        jagged = KeyedJaggedTensor(["item"], flat, lengths=torch.ones_like(flat, dtype=torch.int64))
        rows: torch.Tensor = self.rows(jagged)["item"].values()
        return rows.reshape(*index.shape, self._width)

    def features(self, tokens: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        jagged = KeyedJaggedTensor(["feature"], tokens, offsets=offsets)
        pooled: torch.Tensor = self.bags(jagged)["feature"]
        return pooled
