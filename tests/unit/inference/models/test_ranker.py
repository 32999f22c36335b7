"""What the ranker keeps whatever its weights: sharing changes nothing, and a candidate sees no other."""

from dataclasses import replace

import pytest
import torch

from inference.models.ranker import VARIANTS, Ranker, VariantSizes
from inference.models.ranker_work import count_flops, ranker_work
from inference.models.sizes import Sizes
from inference.protocol import RankInputs
from kernels.backend import Backend, forced
from tests.unit.inference.forward.batches import batch

SIZES = Sizes(user_tokens=4, item_width=16, pair_width=8, context_width=4, num_heads=2)
DEEP = VariantSizes(hidden=24, blocks=1, hops=2, interactions=2, split=2, rank=3)


@pytest.fixture(params=[*VARIANTS, "deep"])
def ranker(request: pytest.FixtureRequest) -> Ranker:
    """Random weights in every part, also in those that begin at zero; in float64, so that equal means equal."""
    torch.manual_seed(0)
    ranker = Ranker(SIZES, VARIANTS.get(request.param, DEEP)).eval().requires_grad_(False)
    for parameter in ranker.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.3)
    return ranker.double()


def doubled(inputs: RankInputs) -> RankInputs:
    """The same in float64."""
    fields = ("user", "context", "cand", "pair", "age_s")
    return replace(inputs, **{name: getattr(inputs, name).double() for name in fields})


def alone(inputs: RankInputs, request: int, candidates: torch.Tensor) -> RankInputs:
    """Some candidates of one request, without the rest of the batch."""
    return replace(
        inputs,
        **{name: getattr(inputs, name)[request : request + 1] for name in ("user", "user_mask", "context")},
        **{name: getattr(inputs, name)[candidates] for name in ("cand", "cand_mask", "pair", "tier", "age_s")},
        cand_to_user=torch.zeros(len(candidates), dtype=torch.int32),
        user_offsets=torch.tensor([0, len(candidates)], dtype=torch.int32),
    )


def test_requests_together_are_requests_apart(ranker: Ranker) -> None:
    inputs = doubled(batch([5, 0, 12]))
    together = torch.stack(ranker(inputs))
    for request in range(3):
        mine = torch.nonzero(inputs.cand_to_user == request).flatten()
        apart = torch.stack(ranker(alone(inputs, request, mine)))
        torch.testing.assert_close(apart, together[:, mine], rtol=1e-9, atol=1e-9)


def test_a_candidate_alone_scores_as_among_others(ranker: Ranker) -> None:
    inputs = doubled(batch([9]))
    among = torch.stack(ranker(inputs))
    for index in range(9):
        one = torch.stack(ranker(alone(inputs, 0, torch.tensor([index]))))
        torch.testing.assert_close(one[:, 0], among[:, index], rtol=1e-9, atol=1e-9)


def test_absent_tokens_change_nothing(ranker: Ranker) -> None:
    inputs = doubled(batch([7], seed=2))
    assert not bool(inputs.user_mask.all())
    noise = torch.where(inputs.user_mask[:, :, None], inputs.user, torch.full_like(inputs.user, 9.0))
    torch.testing.assert_close(
        torch.stack(ranker(replace(inputs, user=noise))), torch.stack(ranker(inputs)), rtol=0, atol=0
    )


def test_the_kernels_score_as_their_definitions(ranker: Ranker) -> None:
    inputs = batch([5, 0, 12])
    ranker = ranker.float()
    expected = torch.stack(ranker(inputs))
    with forced(Backend.TRITON):
        torch.testing.assert_close(torch.stack(ranker(inputs)), expected, rtol=1e-4, atol=1e-4)


def test_it_can_be_traced_for_torch_compile(ranker: Ranker) -> None:
    inputs = batch([5, 5, 5])  # as many each: PyTorch's form reads no offsets then
    with torch.inference_mode():
        traced = torch.compile(ranker.float(), backend="eager", fullgraph=True)
        torch.testing.assert_close(torch.stack(traced(inputs, 5)), torch.stack(ranker(inputs, 5)))


def test_a_request_is_paid_for_once(ranker: Ranker) -> None:
    one = batch([1])
    work = ranker_work(ranker.float(), one, n=100, b=1)
    assert work.flops == work.flops_per_request + 100 * work.flops_per_candidate
    assert work.unshared_flops == 100 * (work.flops_per_request + work.flops_per_candidate)
    three = ranker_work(ranker, one, n=21, b=3)
    assert three.flops == count_flops(ranker, batch([7] * 3))
