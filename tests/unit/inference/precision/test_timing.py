"""What is timed computes what it stands for; the times themselves need a GPU."""

import pytest
import torch
from torch import nn

from inference.models.ranker import VARIANTS, Ranker
from inference.models.shared_linear import SharedLinear
from inference.models.sizes import Sizes
from inference.precision.recipes import BF16, RECIPES, ROWWISE
from inference.precision.timing import ROUNDS, calls_of, in_turns, site_times_us, without_fp8
from inference.precision.whole_pass import one_request, pass_times
from tests.unit.inference.forward.batches import WIDTHS, batch

SIZES = Sizes(user_tokens=4, item_width=16, pair_width=8, context_width=4, num_heads=2)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(params=["plain", "without bias", "shared"])
def linear(request: pytest.FixtureRequest) -> nn.Linear:
    torch.manual_seed(0)
    made = SharedLinear(64, 48) if request.param == "shared" else nn.Linear(64, 48, bias=request.param == "plain")
    return made.requires_grad_(False)


def test_every_recipe_computes_the_linear(linear: nn.Linear) -> None:
    calls = calls_of(100, linear, DEVICE)
    assert tuple(calls) == RECIPES
    exact = calls[BF16]()
    assert exact.shape == (100, 48)
    assert {call().dtype for call in calls.values()} == {torch.bfloat16}
    for recipe, call in calls.items():
        error = float((call() - exact).norm() / exact.norm())
        assert error == 0 if recipe == BF16 else 1e-3 < error < 8e-2, recipe
    assert linear.weight.dtype is torch.float32


@pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a CUDA GPU")
def test_every_recipe_has_a_time(linear: nn.Linear) -> None:
    times = site_times_us(1000, linear)
    assert tuple(times) == RECIPES
    assert all(0 < microseconds < 1000 for microseconds in times.values())


@pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a CUDA GPU")
def test_a_captured_pass_has_a_time() -> None:
    ranker = Ranker(SIZES, VARIANTS["standard"]).eval().requires_grad_(False)
    found = pass_times(ranker, WIDTHS, {"from_candidate": ROWWISE}, one_request(batch([5]), 1000), DEVICE)
    assert 0 < found.us < 100_000
    assert found.speedup == pytest.approx(found.bf16_us / found.us)


def test_calls_take_turns_and_the_median_of_each_counts() -> None:
    order: list[object] = []
    clock = iter(range(2 * ROUNDS))

    def seconds(call: object) -> float:
        order.append(call)
        return float(next(clock))

    first, second = (lambda: None), (lambda: None)
    assert in_turns({"first": first, "second": second}, seconds) == {"first": ROUNDS - 1.0, "second": float(ROUNDS)}
    assert order == [first, second] * ROUNDS


@pytest.mark.parametrize(
    ("capability", "reason"),
    [
        ((8, 0), "NVIDIA X has no FP8 (compute capability 8.0, 8.9 is needed)"),
        ((7, 5), "NVIDIA X has no FP8 (compute capability 7.5, 8.9 is needed)"),
        ((8, 9), None),
        ((9, 0), None),
        ((10, 0), None),
    ],
    ids=str,
)
def test_a_gpu_without_fp8_is_named(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], reason: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA X")
    assert without_fp8() == reason
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert without_fp8() is None
