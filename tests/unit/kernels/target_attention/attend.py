"""Attention of single candidates, one head after the other, in float64: what the forms are held against."""

from dataclasses import dataclass, replace

import torch

from tests.unit.kernels.ragged import candidate_index

Pair = tuple[torch.Tensor, torch.Tensor]
Args = tuple[
    torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None, Pair | None
]


@dataclass(frozen=True, slots=True)
class Given:
    """The op's tensors."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    user_offsets: torch.Tensor
    kv_offsets: torch.Tensor | None
    kv_mask: torch.Tensor | None = None
    self_kv: Pair | None = None

    def args(self) -> Args:
        """In the order of the forms' arguments."""
        return self.q, self.k, self.v, self.user_offsets, self.kv_offsets, self.kv_mask, self.self_kv

    def request(self, b: int) -> "Given":
        """Request b alone."""
        assert self.kv_offsets is not None
        own = slice(int(self.user_offsets[b]), int(self.user_offsets[b + 1]))
        read = slice(int(self.kv_offsets[b]), int(self.kv_offsets[b + 1]))
        return replace(
            self,
            q=self.q[own],
            k=self.k[read],
            v=self.v[read],
            user_offsets=self.user_offsets[b : b + 2] - self.user_offsets[b],
            kv_offsets=self.kv_offsets[b : b + 2] - self.kv_offsets[b],
            kv_mask=None if self.kv_mask is None else self.kv_mask[read],
            self_kv=None if self.self_kv is None else (self.self_kv[0][own], self.self_kv[1][own]),
        )


def given(
    counts: list[int],
    lengths: list[int],
    dtype: torch.dtype,
    device: torch.device,
    *,
    heads: int = 2,
    width: int = 24,
    value_width: int = 20,
    mask: bool = False,
    own: bool = False,
    seed: int = 0,
) -> Given:
    """Requests with so many candidates and so many keys."""
    generator = torch.Generator().manual_seed(seed)
    _, user_offsets = candidate_index(counts, device)
    _, kv_offsets = candidate_index(lengths, device)
    n, keys = sum(counts), sum(lengths)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device, dtype)

    return Given(
        normal(n, heads, width),
        normal(keys, heads, width),
        normal(keys, heads, value_width),
        user_offsets,
        kv_offsets,
        (torch.rand(keys, generator=generator) < 0.5).to(device) if mask else None,
        (normal(n, heads, width), normal(n, heads, value_width)) if own else None,
    )


def exact(x: Given, mode: str = "softmax", divisor: float = 1.0) -> torch.Tensor:
    """Materialised: every candidate has a copy of the keys it may read, and of its own."""
    users, offsets = x.user_offsets.tolist(), None if x.kv_offsets is None else x.kv_offsets.tolist()
    b = len(users) - 1
    offsets = offsets or [x.k.shape[0] // b * i for i in range(b + 1)]
    rows = []
    for i in range(b):
        read = torch.arange(offsets[i], offsets[i + 1], device=x.k.device)
        if x.kv_mask is not None:
            read = read[x.kv_mask[read]]
        for n in range(users[i], users[i + 1]):
            k, v = x.k[read].double(), x.v[read].double()
            if x.self_kv is not None:
                k, v = (torch.cat([a, b[n : n + 1].double()]) for a, b in zip((k, v), x.self_kv, strict=True))
            scores = torch.einsum("he,she->hs", x.q[n].double(), k) * x.q.shape[2] ** -0.5
            weights = torch.softmax(scores, 1) if mode == "softmax" else torch.nn.functional.silu(scores) / divisor
            rows.append(torch.einsum("hs,shf->hf", weights, v))
    return torch.stack(rows) if rows else x.v.new_zeros(0, *x.v.shape[1:]).double()
