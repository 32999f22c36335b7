"""A run on a GPU is short and rare: every case of its grid has been called before, on a fake one."""

from collections.abc import Mapping

import pytest
import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily

from benchmarks.kernels.case import COMPILED, Case
from benchmarks.kernels.ops import ranker_forward
from benchmarks.kernels.registry import op_cases, op_names
from inference.models.ranker import Ranker
from inference.precision.recipes import by_recipes
from inference.protocol import RankInputs
from tests.fake_gpu import CUDA, fake_gpu, put_on_fake_gpu

NOT_CALLED = {"served_forward"}  # takes its batches from the host's memory: tests/unit/inference/forward


@pytest.fixture(autouse=True)
def _rankers_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The large one has 0.4 billion; drawing them takes a real GPU's generator."""

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

    monkeypatch.setattr(ranker_forward, "_ranker", ranker)
    monkeypatch.setattr(ranker_forward, "_fp8_ranker", fp8_ranker)
    monkeypatch.setattr(ranker_forward, "exact_logits", exact)


@pytest.mark.parametrize("op", [name for name in op_names() if name not in NOT_CALLED])
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_every_way_of_every_case_can_be_called(op: str) -> None:
    for case in op_cases(op, CUDA):
        shapes = _shapes(case)
        assert len(set(shapes.values())) == 1, f"{case.op} {case.shape}: {shapes}"


def _shapes(case: Case) -> Mapping[str, tuple[torch.Size, ...]]:
    """Of the results, by the way they are computed: all but by torch.compile, which wants a real device."""
    ways = {name: way for name, way in case.providers.items() if name != COMPILED}
    shapes = {}
    with fake_gpu(), torch.inference_mode():
        inputs = case.inputs(None, CUDA)  # type: ignore[arg-type]  # a generator of a GPU wants one
        for name, way in {**ways, "exact": case.exact}.items():
            try:
                out = way(*inputs)
            except Exception as error:
                raise AssertionError(f"{case.op} {case.shape}, {name}: {error}") from error
            shapes[name] = tuple(tensor.shape for tensor in (out if isinstance(out, tuple) else (out,)))
    return shapes
