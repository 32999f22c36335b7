"""The ranker's modules from inputs to logits: the request copied to every candidate, shared, compiled, and ours.

And ours with every linear in FP8 that a precision table could keep, beside bf16: what such a table has to gain.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import torch

from benchmarks.kernels.case import COMPILED, DECOMPOSED, EXPANDED, OURS, Case, Inputs
from benchmarks.kernels.random_inputs import even_shares, normals
from inference.models.ranker import VARIANTS, Ranker, VariantSizes
from inference.models.ranker_work import RankerWork, ranker_work
from inference.models.sizes import Sizes
from inference.precision.eligible import eligible_sites
from inference.precision.recipes import ROWWISE, by_recipes
from inference.protocol import NUM_TIERS, RankInputs
from kernels.backend import Backend, forced

ALL_BF16 = "every linear bf16"
# All with random weights.
MODELS: dict[str, tuple[Sizes, VariantSizes]] = {
    "compact": (Sizes(), VARIANTS["large"]),
    "compact-standard": (Sizes(), VARIANTS["standard"]),
    "compact-small": (Sizes(), VARIANTS["small"]),
    "gpu-standard": (
        Sizes(item_width=256, pair_width=64),
        VariantSizes(hidden=1024, blocks=3, hops=2, interactions=2, split=4, rank=16),
    ),
    "gpu-large": (
        Sizes(item_width=1024, pair_width=256, num_heads=8, foundation_tap_width=256),
        VariantSizes(hidden=4096, blocks=6, hops=2, interactions=3, split=8, rank=32),
    ),
}
MODELS_ARE = (
    "compact is the served variant large at the sizes of the compact release, compact-standard and compact-small are "
    "the other two; gpu-standard and gpu-large, of 10 and 260 million weights, are of sizes that a GPU is bought for, "
    "and of no release"
)
GPU_GRID = [(name, n, 1) for name in ("compact", "gpu-standard", "gpu-large") for n in (100, 1000, 10_000)]
GPU_GRID += [("gpu-standard", 2048, 16), ("compact-standard", 1000, 1), ("compact-small", 1000, 1)]
FP8_GRID = [("gpu-large", n, 1) for n in (1000, 10_000)]
CPU_GRID = [("compact", n, 1) for n in (50, 100, 200, 500, 1000, 2000, 4000)] + [("compact", 1000, 8)]


def cases(device: torch.device) -> Iterator[Case]:
    """From 100 to 10,000 candidates on a GPU, from 50 to 4,000 on a CPU."""
    gpu = device.type == "cuda"
    for name, n, b in GPU_GRID if gpu else CPU_GRID:
        yield _case(name, n, b, torch.bfloat16 if gpu else torch.float32)
    if gpu:  # elsewhere FP8 saves nothing
        for name, n, b in FP8_GRID:
            yield fp8_case(name, n, b, torch.bfloat16)


@cache
def work_of(name: str, n: int, b: int, dtype: torch.dtype) -> RankerWork:
    """Counted on a model without storage: the largest has 0.26 billion weights."""
    sizes, variant = MODELS[name]
    with torch.device("meta"):
        ranker = Ranker(sizes, variant).narrow(dtype)
    return ranker_work(ranker, batch_of(sizes, 1, 1, dtype, None, torch.device("meta")), n, b)


def ranker_of(name: str, device: torch.device, dtype: torch.dtype) -> Ranker:
    """One of MODELS with random weights, narrowed to `dtype`; always the same one."""
    return _ranker(name, torch.empty(0, device=device).device, dtype)  # `cuda` and `cuda:0` are one place


@cache
def _ranker(name: str, device: torch.device, dtype: torch.dtype) -> Ranker:
    generator = torch.Generator(device).manual_seed(0)
    with torch.device(device):
        ranker = Ranker(*MODELS[name]).eval().requires_grad_(False)
    for module in ranker.modules():  # what training would have left: nothing adds zeros, nothing explodes
        if isinstance(module, torch.nn.Linear):
            module.weight.normal_(0.0, module.in_features**-0.5, generator=generator)
    return ranker.narrow(dtype)


def batch_of(
    sizes: Sizes, n: int, b: int, dtype: torch.dtype, generator: torch.Generator | None, device: torch.device
) -> RankInputs:
    """N candidates of B requests, random, with all tiers and a few candidates masked."""
    normal = normals(generator, device, dtype)
    index = even_shares(n, b, device)
    return RankInputs(
        user=normal(b, sizes.user_tokens, sizes.item_width),
        user_mask=torch.ones(b, sizes.user_tokens, dtype=torch.bool, device=device),
        context=normal(b, sizes.context_width),
        cand=normal(n, sizes.item_width),
        cand_mask=torch.arange(n, device=device) % 50 != 49,
        pair=normal(n, sizes.pair_width),
        tier=(torch.arange(n, device=device) % NUM_TIERS).to(torch.int32),
        age_s=torch.rand(n, generator=generator, device=device) * 3600,
        cand_to_user=index,
        user_offsets=(torch.arange(b + 1, device=device) * n // b).to(torch.int32),
    )


def exact_logits(name: str, dtype: torch.dtype, batch: RankInputs) -> torch.Tensor:
    """[2, N] in float64 by the definitions, of the model whose weights are in `dtype`, where the batch is."""
    wide = RankInputs(*(t.double() if t.is_floating_point() else t for t in tensors_of(batch)))
    with torch.device(batch.cand.device):  # 0.26 billion weights are drawn in seconds on a GPU
        ranker = Ranker(*MODELS[name]).double()
    ranker.load_state_dict(ranker_of(name, batch.cand.device, dtype).state_dict())
    return by_reference(lambda: torch.stack(ranker(wide)))


def tensors_of(batch: RankInputs) -> tuple[torch.Tensor, ...]:
    """The fields, in their order."""
    return tuple(getattr(batch, field) for field in batch.__slots__)


def by_reference(call: Callable[..., torch.Tensor], *tensors: torch.Tensor) -> torch.Tensor:
    """`call(*tensors)` with every op in its PyTorch form."""
    with forced(Backend.REFERENCE):
        return call(*tensors)


@cache
def _fp8_recipes(name: str) -> dict[str, str]:
    """All linears that a precision table could keep."""
    sizes, variant = MODELS[name]
    with torch.device("meta"):
        ranker = Ranker(sizes, variant)
    one = batch_of(sizes, 1, 1, torch.float32, None, torch.device("meta"))
    return dict.fromkeys(eligible_sites(ranker, one), ROWWISE)


@cache
def _fp8_ranker(name: str, device: torch.device, dtype: torch.dtype) -> Ranker:
    return by_recipes(ranker_of(name, device, dtype), _fp8_recipes(name))


def _expanded(inputs: RankInputs) -> RankInputs:
    """Every candidate as a request of its own, with a copy of the user: what is computed where nothing is shared."""
    index, n = inputs.cand_to_user, inputs.num_candidates
    return replace(
        inputs,
        **{name: getattr(inputs, name).index_select(0, index) for name in ("user", "user_mask", "context")},
        cand_to_user=torch.arange(n, dtype=torch.int32, device=index.device),
        user_offsets=torch.arange(n + 1, dtype=torch.int32, device=index.device),
    )


def _case(name: str, n: int, b: int, dtype: torch.dtype) -> Case:
    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        return tensors_of(batch_of(MODELS[name][0], n, b, dtype, generator, device))

    def logits(batch: RankInputs, most: int | None) -> torch.Tensor:
        return torch.stack(ranker_of(name, batch.cand.device, dtype)(batch, most))

    def ours(*tensors):
        return logits(RankInputs(*tensors), None)

    # PyTorch's form is told how many candidates a request has: reading it would forbid the capture.
    def decomposed(*tensors):
        return logits(RankInputs(*tensors), -(-n // b))

    def expanded(*tensors):
        return logits(_expanded(RankInputs(*tensors)), 1)

    compiled = torch.compile(decomposed, dynamic=False)
    return Case(
        op="ranker_forward",
        shape=f"{name} N={n} B={b}",
        dtype=dtype,
        work=work_of(name, n, b, dtype),
        inputs=inputs,
        providers={
            EXPANDED: lambda *tensors: by_reference(expanded, *tensors),
            DECOMPOSED: lambda *tensors: by_reference(decomposed, *tensors),
            COMPILED: lambda *tensors: by_reference(compiled, *tensors),
            OURS: ours,
        },
        exact=lambda *tensors: exact_logits(name, dtype, RankInputs(*tensors)),
        tolerance=5e-2 if dtype is torch.bfloat16 else 1e-4,
    )


def fp8_case(name: str, n: int, b: int, dtype: torch.dtype) -> Case:
    """Random weights and nothing chosen: the error is that of every linear together, and no release would serve it."""

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        return tensors_of(batch_of(MODELS[name][0], n, b, dtype, generator, device))

    def logits(ranker: Ranker, *tensors: torch.Tensor) -> torch.Tensor:
        return torch.stack(ranker(RankInputs(*tensors)))

    return Case(
        op="ranker_forward",
        shape=f"{name} N={n} B={b} fp8",
        dtype=dtype,
        work=work_of(name, n, b, dtype),
        inputs=inputs,
        providers={
            OURS: lambda *tensors: logits(_fp8_ranker(name, tensors[0].device, dtype), *tensors),
            ALL_BF16: lambda *tensors: logits(ranker_of(name, tensors[0].device, dtype), *tensors),
        },
        exact=lambda *tensors: exact_logits(name, dtype, RankInputs(*tensors)),
        tolerance=0.2,  # the two smaller models have 0.05 to 0.08
    )
