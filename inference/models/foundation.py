"""The foundation model: too expensive for the request, so it runs before it, on pairs worth asking for.

It sees the raw history (the ranker sees T summary tokens), reads it once more for every candidate by target attention,
and crosses everything in a Wukong stack. Its last hidden layer is tapped and compressed to the pair row.
"""

import torch
from torch import nn

from inference.models.blocks import Attention, FeedForward, SelfBlock, head_products
from inference.models.catalogue import UNKNOWN
from inference.models.history_encoder import HistoryBatch, HistoryEncoder
from inference.models.interaction import InteractionLayer
from inference.models.item_tower import ItemTower
from inference.models.sizes import Sizes
from inference.models.target import TargetCounts

NUM_EMBEDDINGS = 8  # fields of the interaction stack
COUNTS_SCALE = 4.0  # they are shares, mostly small; everything beside them has unit variance
MIN_SHARE_OF_LARGEST = 1e-3  # directions of less variance than this are noise and are not blown up to 1
MAX_PAIR_VALUE = 8.0  # a pair row is cut here: it is standardised, and must survive quantisation


class FoundationModel(nn.Module):
    """History and candidates -> the tapped layer, and from it the logits of click and conversion."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, heads, num_keys = sizes.item_width, sizes.num_heads, sizes.history_length + 1
        self.num_heads = heads
        self.history = HistoryEncoder(width)
        self.blocks = nn.ModuleList(SelfBlock(width, heads, num_keys) for _ in range(sizes.foundation_layers))
        self.norm = nn.LayerNorm(width)
        self.candidate = ItemTower(width)
        self.attend_events = Attention(width, heads, num_keys)
        self.attend_encoded = Attention(width, heads, num_keys)
        self.second_query = FeedForward(width)
        self.counts = TargetCounts(width, heads, num_keys)
        self.summary = Attention(width, heads, num_keys)
        self.interaction = nn.ModuleList(
            InteractionLayer(NUM_EMBEDDINGS, width) for _ in range(sizes.foundation_interaction_layers)
        )
        self.tap = nn.Sequential(
            nn.Linear(NUM_EMBEDDINGS * width + 3 * heads + self.counts.width_out, 2 * sizes.foundation_tap_width),
            FeedForward(2 * sizes.foundation_tap_width),
            nn.Linear(2 * sizes.foundation_tap_width, sizes.foundation_tap_width),
            nn.SiLU(),
        )
        self.heads = nn.Linear(sizes.foundation_tap_width, 2)
        self.projector = Projector(sizes.foundation_tap_width, sizes.pair_width)

    def forward(
        self,
        batch: HistoryBatch,
        items: torch.Tensor,
        index: torch.Tensor,
        ids: torch.Tensor,
        features: torch.Tensor,
    ) -> torch.Tensor:
        """K candidates for each of B histories -> the tapped layer [B, K, W].

        `items` [B, L, D] are embeddings of the events' items; the candidates have `index` [B, K] int64 in the
        catalogue and the embeddings `ids` and `features` [B, K, D].
        """
        b, k, d = ids.shape
        events, mask = self.history(batch, items)
        x = events
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x)
        candidate = self.candidate(ids, features)
        first = self.attend_events(candidate, events, mask)  # reads what the events were
        second = self.attend_encoded(self.second_query(candidate + first), x, mask)  # reads what they meant
        start = x[:, :1]
        summary = self.summary(start, x, mask).expand(-1, k, -1)
        reads = (first, second, summary)
        fields = [candidate, features, *reads, *(candidate * read for read in reads)]
        z = torch.stack(fields, dim=2).view(b * k, NUM_EMBEDDINGS, d)
        for layer in self.interaction:
            z = layer(z)
        matches = [head_products(candidate, read, self.num_heads) for read in reads]
        counts = COUNTS_SCALE * self.counts(candidate, events, mask, _same(batch, index))
        tap: torch.Tensor = self.tap(torch.cat([z.view(b, k, -1), *matches, counts], dim=-1))
        return tap

    def logits(self, tap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tapped layer [..., W] -> logits of click and of conversion given a click, each [...]."""
        click, conversion = self.heads(tap).unbind(-1)
        return click, conversion

    def pair_rows(self, tap: torch.Tensor) -> torch.Tensor:
        """Tapped layer [..., W] -> pair rows [..., P]."""
        rows: torch.Tensor = self.projector(tap)
        return rows


def _same(batch: HistoryBatch, index: torch.Tensor) -> torch.Tensor:
    """[B, K, 1 + L] float32: 1 where an event's item is the candidate; unknown ids are like no other."""
    same = (batch.items[:, None, :] == index[:, :, None]) & (index > UNKNOWN)[:, :, None] & batch.mask[:, None, :]
    return torch.nn.functional.pad(same.to(torch.float32), (1, 0))


class Projector(nn.Module):
    """The encoder of a linear auto-encoder, with unit variance in every direction of weight that it keeps.

    A linear auto-encoder's optimum is known in closed form (the principal directions), so it is solved, not trained:
    it needs no label, and it is fixed before the first pair row is written, or the rows would drift.
    """

    def __init__(self, tap_width: int, pair_width: int) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.directions: torch.Tensor
        self.register_buffer("mean", torch.zeros(tap_width))
        self.register_buffer("directions", torch.eye(tap_width)[:, :pair_width].contiguous())

    def forward(self, tap: torch.Tensor) -> torch.Tensor:
        """[..., W] -> [..., P], cut to +-MAX_PAIR_VALUE."""
        return ((tap - self.mean) @ self.directions).clamp(-MAX_PAIR_VALUE, MAX_PAIR_VALUE)

    def fit(self, taps: torch.Tensor) -> float:
        """Solve for `taps` [N, W]; return the share of their variance that the P directions keep."""
        centred = (taps - taps.mean(0)).double()
        variances, directions = torch.linalg.eigh(centred.T @ centred / max(len(taps) - 1, 1))
        kept = slice(-self.directions.shape[1], None)
        floor = max(float(variances[-1]) * MIN_SHARE_OF_LARGEST, 1e-8)
        scale = variances[kept].clamp(min=floor).rsqrt()
        self.mean.copy_(taps.mean(0))
        self.directions.copy_((directions[:, kept] * scale).flip(1).float())
        return float(variances[kept].sum() / variances.sum().clamp(min=1e-12))
