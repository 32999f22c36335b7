"""Candidates over their request's history: expanded, decomposed, compiled, the library packed and varlen, ours."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case, Inputs
from kernels.target_attention import reference
from kernels.target_attention.config import TRIALS
from kernels.target_attention.op import target_attention
from kernels.target_attention.roofline import TargetAttentionWork
from kernels.target_attention.varlen import has_varlen, varlen_attention

MAX_EXPANDED_BYTES = 20e9  # a copy of the keys for every candidate: beyond it the row says nothing more


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows of q for each request (candidates times the rows of each), lengths of the histories, heads and width."""

    counts: Sequence[int]
    lengths: Sequence[int]
    rows: int  # of q for each candidate, which share its copy where keys are expanded
    heads: int
    width: int
    mode: str = "softmax"

    @property
    def equal(self) -> bool:
        """All requests alike: they can be a batch."""
        return len(set(self.counts)) == 1 and len(set(self.lengths)) == 1

    def __str__(self) -> str:
        n, b = sum(self.counts) // self.rows, len(self.counts)
        lengths = str(self.lengths[0]) if self.equal else f"{min(self.lengths)}..{max(self.lengths)}"
        return f"B={b} N={n} rows={self.rows} H={self.heads} E={self.width} L={lengths} {self.mode}"


def _equal(b: int, n: int, rows: int, heads: int, width: int, length: int, mode: str = "softmax") -> Shape:
    return Shape([n * rows // b] * b, [length] * b, rows, heads, width, mode)


def _zipf(b: int, longest: int, most: int, heads: int, width: int, mode: str = "softmax") -> Shape:
    """Histories as long as `longest / rank ** 1.2`, candidates between none and `most`, the two unrelated."""
    lengths = [int(longest / (i + 1) ** 1.2) for i in range(b)]
    return Shape([most * ((7 * i) % b) // (b - 1) for i in range(b)], lengths, 1, heads, width, mode)


GPU_GRID = [
    _equal(1, 100, 1, 4, 64, 1000), _equal(1, 1000, 1, 4, 64, 1000), _equal(1, 1000, 1, 8, 64, 8192),
    _equal(1, 10_000, 1, 4, 64, 1000), _equal(16, 2048, 1, 4, 64, 1024), _equal(32, 2048, 64, 2, 128, 1024),
    _equal(32, 2048, 64, 2, 128, 4096), _equal(8, 8000, 8, 4, 128, 2048), _equal(1, 500, 1, 4, 16, 17),
    _zipf(32, 8192, 4000, 4, 64), _equal(1, 1000, 1, 4, 64, 1000, "silu"), _equal(16, 2048, 1, 4, 64, 1024, "silu"),
    _zipf(32, 8192, 4000, 4, 64, "silu"),
]  # fmt: skip
CPU_GRID = [
    _equal(1, 100, 1, 4, 16, 17), _equal(1, 500, 1, 4, 16, 17), _equal(8, 800, 1, 4, 16, 17),
    _equal(1, 200, 1, 4, 16, 500), _equal(1, 200, 1, 4, 16, 500, "silu"), _zipf(6, 500, 100, 4, 16),
]  # fmt: skip


def cases(device: torch.device) -> Iterator[Case]:
    """The grid for this kind of device."""
    gpu = device.type == "cuda"
    for shape in GPU_GRID if gpu else CPU_GRID:
        yield _case(shape, torch.bfloat16 if gpu else torch.float32, gpu)


def _case(s: Shape, dtype: torch.dtype, gpu: bool) -> Case:
    n, keys, most = sum(s.counts), sum(s.lengths), max(s.counts)

    def offsets(counts: Sequence[int], device: torch.device) -> torch.Tensor:
        return torch.tensor([0, *counts], device=device).cumsum(0).to(torch.int32)

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        def normal(rows: int) -> torch.Tensor:
            return torch.randn(rows, s.heads, s.width, generator=generator, device=device).to(dtype)

        kv_offsets = None if s.equal else offsets(s.lengths, device)
        return normal(n), normal(keys), normal(keys), offsets(s.counts, device), kv_offsets

    def attend(q, k, v):  # [..., rows, H, E] over [..., L, H, E], with all scores written out
        scores = torch.einsum("...qhe,...khe->...hqk", q * s.width**-0.5, k)
        weights = F.silu(scores) if s.mode == "silu" else torch.softmax(scores, dim=-1)
        return torch.einsum("...hqk,...khe->...qhe", weights, v)

    def decomposed(q, k, v, user_offsets, kv_offsets):
        if s.equal:
            b = len(s.counts)
            return attend(q.unflatten(0, (b, -1)), k.unflatten(0, (b, -1)), v.unflatten(0, (b, -1))).flatten(0, 1)
        parts = zip(q.split(list(s.counts)), k.split(list(s.lengths)), v.split(list(s.lengths)), strict=True)
        return torch.cat([attend(*part) for part in parts])

    def expanded(q, k, v, user_offsets, kv_offsets):
        b, candidates = len(s.counts), n // s.rows
        request = torch.arange(b, device=q.device).repeat_interleave(candidates // b, output_size=candidates)
        copies = (x.unflatten(0, (b, -1)).index_select(0, request) for x in (k, v))
        queries = q.unflatten(0, (candidates, s.rows))
        if s.mode == "silu":
            return attend(queries, *copies).flatten(0, 1)
        q_h, k_h, v_h = (x.transpose(1, 2) for x in (queries, *copies))
        return F.scaled_dot_product_attention(q_h, k_h, v_h).transpose(1, 2).flatten(0, 1)

    def ours(q, k, v, user_offsets, kv_offsets):
        return target_attention(q, k, v, user_offsets, kv_offsets=kv_offsets, mode=s.mode, max_candidates=most)

    def packed(q, k, v, user_offsets, kv_offsets):
        return reference.target_attention(q, k, v, user_offsets, max_candidates=most)

    def varlen(q, k, v, user_offsets, kv_offsets):
        return varlen_attention(q, k, v, user_offsets, kv_offsets, None, most)

    def exact(q, k, v, user_offsets, kv_offsets):
        parts = zip(q.split(list(s.counts)), k.split(list(s.lengths)), v.split(list(s.lengths)), strict=True)
        return torch.cat([attend(*(x.double() for x in part)) for part in parts])

    plain = s.mode == "softmax"
    copied = 2 * (n // s.rows) * max(s.lengths) * s.heads * s.width * dtype.itemsize
    providers: dict[str, Callable[..., torch.Tensor]] = {
        **({EXPANDED: expanded} if s.equal and copied <= MAX_EXPANDED_BYTES else {}),
        DECOMPOSED: decomposed,
        COMPILED: torch.compile(decomposed),
        **({"packed SDPA": packed} if plain and s.equal else {}),
        **({"varlen_attn": varlen} if plain and gpu and has_varlen(default_scale=True) else {}),
        OURS: ours,
        **(_triton_alone(s) if gpu else {}),
    }
    return Case(
        op="target_attention",
        shape=str(s),
        dtype=dtype,
        work=TargetAttentionWork(
            n, s.heads, s.width, keys, sum(a * b for a, b in zip(s.counts, s.lengths, strict=True)), dtype.itemsize
        ),
        inputs=inputs,
        providers=providers,
        exact=exact,
        tolerance=1e-2 if dtype is torch.bfloat16 else 1e-5,  # eager scores and weights are rounded as well
    )


def _triton_alone(s: Shape) -> dict[str, Callable[..., torch.Tensor]]:
    """Our kernel whatever the dispatch says, without splitting keys, and in other tiles: what each is worth."""
    from kernels.target_attention.kernel import target_attention_triton

    def with_options(**options):
        def provider(q, k, v, user_offsets, kv_offsets):
            return target_attention_triton(q, k, v, user_offsets, kv_offsets, mode=s.mode, **options)

        return provider

    trials = {f"{OURS}, {name}": with_options(config=c) for name, (width, c) in TRIALS.items() if width == s.width}
    return {f"{OURS}, Triton": with_options(), f"{OURS}, Triton, keys unsplit": with_options(num_splits=1), **trials}
