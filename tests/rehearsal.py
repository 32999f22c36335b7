"""What a GPU would be given: the served passes and the benchmark's grid, called on a fake one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily

from benchmarks.kernels.case import COMPILED, OURS, Case
from benchmarks.kernels.ops import ranker_forward
from benchmarks.kernels.registry import op_cases, op_names
from inference.forward.arena import InputWidths
from inference.forward.buckets import CANDIDATES, REQUESTS, Bucket
from inference.forward.forward import Forward
from inference.models.ranker import VARIANTS, Ranker, VariantSizes
from inference.models.sizes import Sizes
from inference.precision.recipes import ROWWISE, by_recipes
from inference.protocol import RankInputs
from tests.fake_gpu import CUDA, Launch, fake_gpu, put_on_fake_gpu

KEPT = {"from_candidate": ROWWISE, "blocks.0.layers.1": ROWWISE}  # one that is given the request's part, one plain
NOT_CALLED = {"served_forward"}  # takes its batches from the host's memory: that is `served_pass`
Shapes = tuple[torch.Size, ...]


def served_pass(
    variant: VariantSizes, recipes: Mapping[str, str], bucket: Bucket
) -> tuple[torch.Tensor, Sequence[Launch]]:
    """Probabilities of one bucket in bfloat16 but for `recipes`, without values, and what was launched for them."""
    sizes = Sizes()
    forward = Forward(Ranker(sizes, variant), InputWidths.of(sizes), torch.device("cpu"), torch.bfloat16)
    arena = forward.arena(bucket)
    with fake_gpu() as launched:
        put_on_fake_gpu(forward._ranker)
        put_on_fake_gpu(arena)
        forward._ranker = by_recipes(forward._ranker, recipes)
        launched.clear()
        return forward.probabilities(arena), launched


def served_launches() -> Iterator[Launch]:
    """Of every variant in both precisions, for buckets of the fewest, some and the most candidates and requests."""
    for candidates in (CANDIDATES[0], CANDIDATES[3], CANDIDATES[-1]):
        for requests in (REQUESTS[0], REQUESTS[1], REQUESTS[-1]):
            for variant in VARIANTS.values():
                for recipes in ({}, KEPT):
                    yield from served_pass(variant, recipes, Bucket(candidates, requests))[1]


def grid_launches() -> Iterator[Launch]:
    """Of every case of the GPU's grid, by the forms of ours."""
    for op in grid_ops():
        for case in op_cases(op, CUDA):
            with rankers_without_weights(), fake_gpu() as launched, torch.inference_mode():
                inputs = inputs_of(case)
                launched.clear()
                for name, way in case.providers.items():
                    if name.startswith(OURS):
                        way(*inputs)
            yield from launched


def grid_ops() -> list[str]:
    """Those whose cases can be called on a fake GPU."""
    return [name for name in op_names() if name not in NOT_CALLED]


def shapes_by_way(case: Case) -> dict[str, Shapes]:
    """Shapes of what each way gives, but torch.compile, which wants a real device. AssertionError if one fails."""
    ways = {name: way for name, way in case.providers.items() if name != COMPILED}
    shapes = {}
    with rankers_without_weights(), fake_gpu(), torch.inference_mode():
        inputs = inputs_of(case)
        for name, way in {**ways, "exact": case.exact}.items():
            try:
                out = way(*inputs)
            except Exception as error:
                raise AssertionError(f"{case.op} {case.shape}, {name}: {error}") from error
            shapes[name] = tuple(tensor.shape for tensor in (out if isinstance(out, tuple) else (out,)))
    return shapes


def inputs_of(case: Case) -> tuple[object, ...]:
    """Without a generator: that of a GPU wants one."""
    return case.inputs(None, CUDA)  # type: ignore[arg-type]


@contextmanager
def rankers_without_weights() -> Iterator[None]:
    """The benchmark's models as shapes: the largest has 0.26 billion weights, and a GPU's generator draws them."""

    def ranker(name: str, _device: torch.device, dtype: torch.dtype) -> Ranker:
        with unset_fake_temporarily(), torch.device("meta"):
            made = Ranker(*ranker_forward.MODELS[name]).eval().requires_grad_(False).narrow(dtype)
        put_on_fake_gpu(made)
        return made

    def fp8_ranker(name: str, device: torch.device, dtype: torch.dtype) -> Ranker:
        return by_recipes(ranker(name, device, dtype), ranker_forward._fp8_recipes(name))

    def exact(name: str, _dtype: torch.dtype, batch: RankInputs) -> torch.Tensor:
        tensors = ranker_forward.tensors_of(batch)
        wide = RankInputs(*(t.double() if t.is_floating_point() else t for t in tensors))
        return torch.stack(ranker(name, CUDA, torch.float64)(wide))

    with patch.multiple(ranker_forward, _ranker=ranker, _fp8_ranker=fp8_ranker, exact_logits=exact):
        yield
