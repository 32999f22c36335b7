"""The tensors between hydration and the kernels: one contract, whoever fills it and whoever scores it.

Letters, everywhere: B requests, N candidates of all requests together, T user summary tokens, D row width,
P pair width, C context features.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch


class Tier(IntEnum):
    """Where a candidate's pair representation came from, best first; the index into the tier one-hot."""

    PAIR = 0
    AGGREGATE = 1
    NEIGHBOUR = 2
    DEFAULT = 3


NUM_TIERS = len(Tier)


@dataclass(frozen=True, slots=True)
class RankInputs:
    """One batch of requests as the ranker reads it. Candidates of one request are neighbours.

    Rows that are missing are zeros: `user_mask` says which user tokens exist, `cand_mask` which item rows, `tier`
    where the pair row came from (DEFAULT: `pair` is zeros and the model's learned default enters).

    `age_s` is how long ago the pair representation was computed, and 0 where its age means nothing: where there is
    none, and for a PAIR that lacks nothing of what the user did, since it would be computed the same now. So a PAIR of
    an age above 0 is behind its user.
    """

    user: torch.Tensor  # [B, T, D] float32
    user_mask: torch.Tensor  # [B, T] bool
    context: torch.Tensor  # [B, C] float32, request features that never enter a stored row
    cand: torch.Tensor  # [N, D] float32
    cand_mask: torch.Tensor  # [N] bool
    pair: torch.Tensor  # [N, P] float32
    tier: torch.Tensor  # [N] int32, a Tier
    age_s: torch.Tensor  # [N] float32, see above
    cand_to_user: torch.Tensor  # [N] int32, non-decreasing
    user_offsets: torch.Tensor  # [B + 1] int32, candidates of request b are user_offsets[b]:user_offsets[b + 1]

    @property
    def num_requests(self) -> int:
        return self.user.shape[0]

    @property
    def num_candidates(self) -> int:
        return self.cand.shape[0]

    def check(self) -> None:
        """Raise ValueError on the first broken promise; for tests and for the engine's debug mode, not per request."""
        b, t, d = self.user.shape
        n = self.cand.shape[0]
        shapes = {
            "user_mask": (self.user_mask, (b, t), torch.bool),
            "context": (self.context, (b, self.context.shape[-1]), torch.float32),
            "cand": (self.cand, (n, d), torch.float32),
            "cand_mask": (self.cand_mask, (n,), torch.bool),
            "pair": (self.pair, (n, self.pair.shape[-1]), torch.float32),
            "tier": (self.tier, (n,), torch.int32),
            "age_s": (self.age_s, (n,), torch.float32),
            "cand_to_user": (self.cand_to_user, (n,), torch.int32),
            "user_offsets": (self.user_offsets, (b + 1,), torch.int32),
        }
        for name, (tensor, shape, dtype) in shapes.items():
            if tuple(tensor.shape) != shape or tensor.dtype != dtype:
                raise ValueError(f"{name} is {tuple(tensor.shape)} {tensor.dtype}, expected {shape} {dtype}")
        counts = torch.bincount(self.cand_to_user.long(), minlength=b)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(torch.int32)
        if n and bool((self.cand_to_user[1:] < self.cand_to_user[:-1]).any()):
            raise ValueError("cand_to_user decreases")
        if not torch.equal(offsets, self.user_offsets.cpu()):
            raise ValueError("user_offsets disagrees with cand_to_user")


@dataclass(frozen=True, slots=True)
class RankOutputs:
    """Probabilities per candidate, in the order of the inputs."""

    p_click: torch.Tensor  # [N] float32
    p_conversion: torch.Tensor  # [N] float32, given a click
