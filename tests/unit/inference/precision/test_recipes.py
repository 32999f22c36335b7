"""Linears are found by their weight and computed by their recipe, whoever multiplies."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inference.precision.recipes import BF16, FP8, RECIPES, Applied, by_recipe
from inference.precision.sites import AtSites, linear_weights
from kernels.broadcast_linear.op import broadcast_linear


class Model(nn.Module):
    """One linear called, one whose weight an op takes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.called = nn.Linear(32, 48)
        self.given = nn.Linear(48, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.called(x)
        index = torch.zeros(len(hidden), dtype=torch.int32)
        return broadcast_linear(hidden, self.given.weight, self.given.bias[None], index)


@pytest.fixture
def model() -> Model:
    return Model().requires_grad_(False)


def rows(n: int = 9) -> torch.Tensor:
    return torch.randn(n, 32, generator=torch.Generator().manual_seed(1))


def test_every_product_with_a_weight_is_seen_once(model: Model) -> None:
    seen: list[tuple[str, tuple[int, ...], bool]] = []

    def note(site: str, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        seen.append((site, tuple(x.shape), bias is not None))

    with AtSites(model, note):
        inside = model(rows())
        F.linear(rows(), torch.ones(3, 32))  # no weight of the model
    assert seen == [("called", (9, 32), True), ("given", (9, 48), True)]
    assert torch.equal(inside, model(rows()))
    assert len(seen) == 2
    assert list(linear_weights(model)) == ["called", "given"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_only_the_named_sites_change(model: Model, recipe: str) -> None:
    with Applied(model, {"given": recipe}):
        found = model(rows())
    hidden = model.called(rows())
    expected = by_recipe(recipe, hidden, model.given.weight) + model.given.bias
    error = float((found - expected).norm() / expected.norm())
    assert error < (5e-3 if recipe == BF16 else 1e-5)  # bf16 rounds once, the bias included
    assert not torch.equal(found, model(rows()))


@pytest.mark.parametrize("product", [torch.mm, torch.Tensor.mm])
def test_a_plain_product_with_a_weight_is_one_of_its_linear(model: Model, product: Callable[..., torch.Tensor]) -> None:
    with Applied(model, {"called": FP8[0]}):
        found = product(rows(), model.called.weight.T)
    assert torch.equal(found, by_recipe(FP8[0], rows(), model.called.weight))


@pytest.mark.parametrize("added", [torch.addmm, torch.Tensor.addmm, torch.Tensor.addmm_])
def test_a_product_that_is_added_is_one_of_its_linear(model: Model, added: Callable[..., torch.Tensor]) -> None:
    given = torch.ones(9, 48)
    with Applied(model, {"called": FP8[0]}):
        found = added(given, rows(), model.called.weight.T)
    torch.testing.assert_close(found, by_recipe(FP8[0], rows(), model.called.weight) + 1.0)
    assert (found is given) is (added is torch.Tensor.addmm_)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("requests", [1, 3])
def test_a_shared_linear_is_a_site_for_any_number_of_requests(model: Model, requests: int, recipe: str) -> None:
    hidden, request = torch.randn(9, 48), torch.randn(requests, 16)
    index = torch.arange(9, dtype=torch.int32) * requests // 9
    with Applied(model, {"given": recipe}):
        found = broadcast_linear(hidden, model.given.weight, request, index)
    expected = by_recipe(recipe, hidden, model.given.weight) + request[index.long()]
    assert float((found - expected).norm() / expected.norm()) < 5e-3  # bf16 rounds with or without the request's part


@pytest.mark.parametrize("recipe", RECIPES)
def test_tokens_of_requests_are_rows_like_any_other(model: Model, recipe: str) -> None:
    tokens = rows(12).view(3, 4, 32)
    with Applied(model, {"called": recipe}):
        together, flat = model.called(tokens), model.called(tokens.view(12, 32))
    assert torch.equal(together.view(12, 48), flat)


def test_nothing_named_changes_nothing(model: Model) -> None:
    with Applied(model, {}):
        found = model(rows())
    assert torch.equal(found, model(rows()))


def test_bf16_is_nearer_than_fp8(model: Model) -> None:
    x, weight = rows(100), model.called.weight
    exact = x.double() @ weight.double().T
    errors = {recipe: float((by_recipe(recipe, x, weight) - exact).norm() / exact.norm()) for recipe in RECIPES}
    assert errors[BF16] < 5e-3
    assert all(1e-2 < errors[recipe] < 8e-2 for recipe in FP8)
