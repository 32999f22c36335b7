"""The ranker: what is left to compute in the request, over `RankInputs` alone.

Every layer that sees the request and a candidate is split: the request's part is computed once per request and added
to the candidates by index, so a request costs `U + N * A`, not `N * (U + A)`.
"""

from dataclasses import dataclass

import torch
from torch import nn

from inference.models.blocks import head_products, start_as_linears, start_as_similarity, start_at_zero
from inference.models.shared_interaction import SharedInteraction
from inference.models.shared_linear import SharedLinear
from inference.models.sizes import Sizes
from inference.protocol import NUM_TIERS, RankInputs, RankOutputs, Tier
from kernels.target_attention.op import target_attention

WIDE_LOAD = 16  # rows of a multiple of it are read 128 bits at a time: 8 elements would do for bf16, e4m3 needs 16
AGE_SCALE = 12.0  # log of seconds: a pair row of two days has about 1


@dataclass(frozen=True, slots=True)
class VariantSizes:
    """What the variants differ in; the inputs are the same for all."""

    hidden: int
    blocks: int
    hops: int  # times a candidate reads the user's tokens
    interactions: int = 0  # Wukong layers over the tokens of user and candidate
    split: int = 1  # tokens that one row is cut into for them
    rank: int = 8  # of their factorisation machines


VARIANTS = {
    "small": VariantSizes(hidden=48, blocks=1, hops=1),
    "standard": VariantSizes(hidden=96, blocks=2, hops=1),
    "large": VariantSizes(hidden=192, blocks=3, hops=2, interactions=1),
}
DEFAULT_VARIANT = "standard"


class Ranker(nn.Module):
    """One variant; `forward` gives logits, `score` probabilities."""

    padding: torch.Tensor  # [1, ...]: zeros that make the joined rows wide loads
    tiers: torch.Tensor  # [NUM_TIERS] int32

    def __init__(self, sizes: Sizes, variant: VariantSizes) -> None:
        super().__init__()
        d, p, hidden = sizes.item_width, sizes.pair_width, variant.hidden
        self.num_heads = sizes.num_heads
        self.cand_default = nn.Parameter(torch.zeros(d))
        self.pair_default = nn.Parameter(torch.zeros(p))
        self.token_default = nn.Parameter(torch.randn(d) * 0.1)  # always attended, so no user is a case by itself
        self.hops = nn.ModuleList(_Hop(d) for _ in range(variant.hops))
        self.interactions = _Interactions(sizes, variant) if variant.interactions else None
        widths = [d, (2 * d + sizes.num_heads) * variant.hops, p + NUM_TIERS + 2]
        padding = -sum(widths) % WIDE_LOAD
        widths[-1] += padding
        self.register_buffer("padding", torch.zeros(1, padding), persistent=False)
        self.register_buffer("tiers", torch.arange(NUM_TIERS, dtype=torch.int32), persistent=False)
        self.from_request = nn.Linear(d + sizes.context_width, hidden)
        self.from_candidate = SharedLinear(sum(widths), hidden)
        start_as_linears(self.from_candidate, widths)
        self.pair_gate = nn.Linear(NUM_TIERS + 2, p)
        start_at_zero(self.pair_gate)
        self.blocks = nn.ModuleList(_Block(hidden) for _ in range(variant.blocks))
        self.heads = nn.Linear(hidden, 2)
        self.pair_heads = nn.Linear(p, 2)

    def forward(self, inputs: RankInputs, max_candidates: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of click and of conversion given a click, each [N], in the dtype of the heads.

        `max_candidates`: see `target_attention`.
        """
        index, offsets = inputs.cand_to_user, inputs.user_offsets
        cand = torch.where(inputs.cand_mask[:, None], inputs.cand, self.cand_default)
        tokens, mask = self._tokens(inputs)

        reads: list[torch.Tensor] = []
        query = cand
        for hop in self.hops:
            reads.append(hop(query, tokens, mask, offsets, self.num_heads, max_candidates))
            query = query + reads[-1]
        pair, known = self._pair(inputs)
        parts = [part for read in reads for part in (read, read * cand, head_products(read, cand, self.num_heads))]
        joined = torch.cat([cand, *parts, pair, known, self.padding.expand(len(cand), -1)], dim=1)

        weight = (mask / mask.sum(1, keepdim=True)).to(tokens.dtype)
        summary = (tokens * weight[:, :, None]).sum(1)  # [B, D]
        request = self.from_request(torch.cat([summary, inputs.context], dim=1))  # once per request
        hidden = self.from_candidate(joined, request, index)
        if self.interactions is not None:
            hidden = hidden + self.interactions(tokens, mask, [cand, *reads], pair, index)
        for block in self.blocks:
            hidden = block(hidden)
        exact = torch.promote_types(hidden.dtype, torch.float32)  # as the heads are: see `narrow`
        click, conversion = (self.heads(hidden.to(exact)) + self.pair_heads(pair.to(exact))).unbind(-1)
        return click, conversion

    def score(self, inputs: RankInputs) -> RankOutputs:
        """Probabilities, for a candidate shown in the first position."""
        click, conversion = self(inputs)
        return RankOutputs(torch.sigmoid(click), torch.sigmoid(conversion))

    def narrow(self, dtype: torch.dtype) -> "Ranker":
        """Every weight in `dtype`, in place, but the heads in float32 at least, as they are; gives itself.

        A logit in bfloat16 has steps of 1/64 where probabilities are of a few per cent: candidates would tie.
        """
        heads = [(head, head.state_dict()) for head in (self.heads, self.pair_heads)]
        self.to(dtype)
        for head, weights in heads:
            head.to(torch.promote_types(dtype, torch.float32)).load_state_dict(weights)
        return self

    def _tokens(self, inputs: RankInputs) -> tuple[torch.Tensor, torch.Tensor]:
        b = inputs.user.shape[0]
        tokens = torch.cat([inputs.user, self.token_default.expand(b, 1, -1)], dim=1)  # [B, T + 1, D]
        mask = torch.cat([inputs.user_mask, inputs.user_mask.new_ones(b, 1)], dim=1)
        return torch.where(mask[:, :, None], tokens, 0.0), mask  # whatever is stored where nothing is

    def _pair(self, inputs: RankInputs) -> tuple[torch.Tensor, torch.Tensor]:
        tier = inputs.tier[:, None]
        # An int: `torch.compile` takes the comparison with an enum for one of Python.
        pair = torch.where(tier == int(Tier.DEFAULT), self.pair_default, inputs.pair.detach())  # [N, P]
        one_hot = (tier == self.tiers).to(pair.dtype)
        behind = (inputs.age_s > 0.0).to(pair.dtype)[:, None]
        log_age = torch.log1p(inputs.age_s.clamp(min=0.0))[:, None] / AGE_SCALE
        known = torch.cat([one_hot, behind, log_age.to(pair.dtype)], dim=1)
        # What a row is worth depends on what it lacks; a sum of both could not say so.
        return pair * 2.0 * torch.sigmoid(self.pair_gate(known)), known


class _Hop(nn.Module):
    """One reading of the user's tokens by every candidate; keys and values are made once per request."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        start_as_similarity(self.query, self.key_value)

    def forward(
        self,
        query: torch.Tensor,
        tokens: torch.Tensor,
        mask: torch.Tensor,
        offsets: torch.Tensor,
        num_heads: int,
        max_candidates: int | None,
    ) -> torch.Tensor:
        b, s, d = tokens.shape
        keys, values = self.key_value(tokens).view(b * s, 2, num_heads, d // num_heads).unbind(1)
        queries = self.query(query).view(-1, num_heads, d // num_heads)
        read = target_attention(queries, keys, values, offsets, kv_mask=mask.flatten(), max_candidates=max_candidates)
        return read.flatten(1)


class _Interactions(nn.Module):
    """Wukong layers over the user's tokens and the candidate's rows; begins by adding nothing to the hidden layer."""

    def __init__(self, sizes: Sizes, variant: VariantSizes) -> None:
        super().__init__()
        self.split, self.width = variant.split, sizes.item_width // variant.split
        num_user, self.num_cand = (sizes.user_tokens + 1) * self.split, (variant.hops + 2) * self.split
        self.from_pair = nn.Linear(sizes.pair_width, sizes.item_width)
        self.layers = nn.ModuleList(
            SharedInteraction(num_user, self.num_cand, self.width, variant.rank, last=layer == variant.interactions - 1)
            for layer in range(variant.interactions)
        )
        self.out = nn.Linear(self.num_cand * self.width, variant.hidden, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(
        self,
        tokens: torch.Tensor,
        mask: torch.Tensor,
        rows: list[torch.Tensor],
        pair: torch.Tensor,
        index: torch.Tensor,
    ) -> torch.Tensor:
        """`tokens` [B, T + 1, D], `rows` each [N, D], `pair` [N, P] -> [N, hidden]."""
        b, num_tokens, _ = tokens.shape
        user = tokens.reshape(b, num_tokens * self.split, self.width)
        mask = mask.repeat_interleave(self.split, dim=1)
        cand = torch.cat([*rows, self.from_pair(pair)], dim=1).view(-1, self.num_cand, self.width)
        for layer in self.layers:
            user, cand = layer(user, mask, cand, index)
        out: torch.Tensor = self.out(cand.flatten(1))
        return out


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        start_at_zero(self.layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.layers(x)
        return out
