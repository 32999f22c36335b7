"""A module by a choice of recipes: the named linears change, and nothing else does."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inference.models.ranker import VARIANTS, Ranker
from inference.models.shared_linear import SharedLinear
from inference.precision.recipes import BF16, FP8, RECIPES, ROWWISE, SERVED, by_recipe, by_recipes, check_recipes
from inference.precision.sites import linears, watched
from inference.training.untrained import TINY


class Model(nn.Module):
    """One linear, and one that is given the request's part."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.plain = nn.Linear(32, 48)
        self.behind = nn.Sequential(nn.SiLU(), nn.Linear(48, 48))
        self.shared = SharedLinear(48, 16)

    def forward(self, x: torch.Tensor, request: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.shared(self.behind(self.plain(x)), request, index)
        return out


@pytest.fixture
def model() -> Model:
    return Model().requires_grad_(False)


def rows(n: int = 9) -> torch.Tensor:
    return torch.randn(n, 32, generator=torch.Generator().manual_seed(1))


def given(requests: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Nine candidates of so many requests."""
    part = torch.randn(requests, 16, generator=torch.Generator().manual_seed(2))
    return rows(), part, torch.arange(9, dtype=torch.int32) * requests // 9


def e4m3_product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """By hand and in float64: rows and outputs as multiples of a 448th of their largest, of three binary digits."""

    def rounded(values: torch.Tensor) -> torch.Tensor:
        scale = values.abs().amax(1, keepdim=True) / 448
        return (values / scale).to(torch.float8_e4m3fn).double() * scale

    return rounded(x.double()) @ rounded(weight.double()).T


def test_every_call_of_a_linear_is_seen_once(model: Model) -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []
    with watched(model, lambda site, x: seen.append((site, tuple(x.shape)))):
        inside = model(*given())
        F.linear(rows(), torch.ones(3, 32))  # no linear of the model
    assert seen == [("plain", (9, 32)), ("behind.1", (9, 48)), ("shared", (9, 48))]
    assert torch.equal(inside, model(*given()))
    assert len(seen) == 3
    assert list(linears(model)) == ["plain", "behind.1", "shared"]


@pytest.mark.parametrize("requests", [1, 3])
@pytest.mark.parametrize("recipe", RECIPES)
def test_only_the_named_linears_change(model: Model, recipe: str, requests: int) -> None:
    x, request, index = given(requests)
    found = by_recipes(model, {"behind.1": recipe, "shared": recipe})(x, request, index)
    inner = model.behind[1]
    assert isinstance(inner, nn.Linear)
    hidden = by_recipe(recipe, F.silu(model.plain(x)), inner.weight) + inner.bias
    expected = by_recipe(recipe, hidden, model.shared.weight) + request[index.long()]
    error = float((found - expected).norm() / expected.norm())
    assert error < (5e-3 if recipe == BF16 else 1e-5)  # bf16 rounds once more, with the bias
    assert not torch.equal(found, model(x, request, index))


@pytest.mark.parametrize("requests", [1, 3])
def test_what_is_served_is_the_product_of_the_rounded_operands(model: Model, requests: int) -> None:
    x, request, index = given(requests)
    by_map = by_recipes(model, {"plain": ROWWISE, "shared": ROWWISE})
    torch.testing.assert_close(by_map.plain(x), (e4m3_product(x, model.plain.weight) + model.plain.bias).float())
    hidden = torch.randn(9, 48, generator=torch.Generator().manual_seed(3))
    expected = e4m3_product(hidden, model.shared.weight) + request[index.long()]
    torch.testing.assert_close(by_map.shared(hidden, request, index), expected.float())


@pytest.mark.parametrize("recipe", SERVED)
def test_a_row_is_no_other_rows_concern(model: Model, recipe: str) -> None:
    by_map = by_recipes(model, dict.fromkeys(linears(model), recipe))
    x, request, index = given()
    before = by_map(x, request, index)
    x[3:] *= 1e6
    x[5] = float("nan")
    assert torch.equal(by_map(x, request, index)[:3], before[:3])
    assert by_map(x, request, index)[5].isnan().all()


@pytest.mark.parametrize("recipe", RECIPES)
def test_tokens_of_requests_are_rows_like_any_other(model: Model, recipe: str) -> None:
    tokens = rows(12).view(3, 4, 32)
    linear = by_recipes(model, {"plain": recipe}).plain
    assert torch.equal(linear(tokens).view(12, 48), linear(tokens.view(12, 32)))


def test_outputs_that_are_no_multiple_of_sixteen_are_cut_off() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.plain, self.shared = nn.Linear(20, 5, bias=False), SharedLinear(20, 7)

    torch.manual_seed(0)
    odd, x = Odd().requires_grad_(False), torch.randn(4, 20)
    by_map = by_recipes(odd, {"plain": ROWWISE, "shared": ROWWISE})
    torch.testing.assert_close(by_map.plain(x), e4m3_product(x, odd.plain.weight).float())
    found = by_map.shared(x, torch.ones(2, 7), torch.tensor([0, 0, 1, 1], dtype=torch.int32))
    torch.testing.assert_close(found, (e4m3_product(x, odd.shared.weight) + 1.0).float())


def test_nothing_named_changes_nothing(model: Model) -> None:
    assert torch.equal(by_recipes(model, {})(*given()), model(*given()))


def test_the_module_stays_as_it_was_and_its_weights_are_not_copied(model: Model) -> None:
    before = model(*given())
    by_map = by_recipes(model, {"behind.1": FP8[0], "shared": ROWWISE})
    assert by_map.plain.weight.data_ptr() == model.plain.weight.data_ptr()
    assert [name for name, _ in by_map.named_parameters()] == ["plain.weight", "plain.bias", "behind.1.bias"]
    assert torch.equal(model(*given()), before)


@pytest.mark.parametrize("recipe", [None, *RECIPES])
def test_a_copy_that_is_narrowed_leaves_the_module_as_it_was(model: Model, recipe: str | None) -> None:
    model.register_buffer("of_its_own", torch.ones(3))
    before = model(*given())
    copied = by_recipes(model, {} if recipe is None else dict.fromkeys(linears(model), recipe)).bfloat16()
    assert {tensor.dtype for tensor in (*copied.parameters(), *copied.buffers())} == {torch.bfloat16}
    assert {tensor.dtype for tensor in (*model.parameters(), *model.buffers())} == {torch.float32}
    assert torch.equal(model(*given()), before)


def test_a_ranker_keeps_its_weights_when_its_copy_is_narrowed() -> None:
    torch.manual_seed(0)
    ranker = Ranker(TINY, VARIANTS["large"])
    before = {name: tensor.clone() for name, tensor in ranker.state_dict().items()}
    by_recipes(ranker, {"from_candidate": ROWWISE}).narrow(torch.bfloat16)
    for name, tensor in ranker.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert {one.requires_grad for one in ranker.parameters()} == {True}


def test_a_cast_afterwards_leaves_the_prepared_weights(model: Model) -> None:
    x, request, index = given(3)
    wide = by_recipes(model, dict.fromkeys(linears(model), ROWWISE))(x, request, index)
    narrow = by_recipes(model, dict.fromkeys(linears(model), ROWWISE)).bfloat16()(
        x.bfloat16(), request.bfloat16(), index
    )
    assert narrow.dtype is torch.bfloat16
    assert float((narrow.float() - wide).norm() / wide.norm()) < 3e-2


def test_what_is_not_known_is_named(model: Model) -> None:
    with pytest.raises(ValueError, match="there is no linear gone, lost"):
        by_recipes(model, {"lost": ROWWISE, "gone": ROWWISE})
    with pytest.raises(ValueError, match="the recipe of plain is 'fp4'; allowed are bf16, fp8 tensorwise, fp8 rowwise"):
        by_recipes(model, {"plain": "fp4"})
    with pytest.raises(ValueError, match="the recipe of plain is 'fp8 tensorwise'; allowed are fp8 rowwise"):
        check_recipes(model, {"plain": FP8[0]}, SERVED)


def test_bf16_is_nearer_than_fp8(model: Model) -> None:
    x, weight = rows(100), model.plain.weight
    exact = x.double() @ weight.double().T
    errors = {recipe: float((by_recipe(recipe, x, weight) - exact).norm() / exact.norm()) for recipe in RECIPES}
    assert errors[BF16] < 5e-3
    assert all(1e-2 < errors[recipe] < 8e-2 for recipe in FP8)
