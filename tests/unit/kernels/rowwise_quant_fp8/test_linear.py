"""The product in e4m3 against the same numbers in float64, against the library's own, and against the true product."""

import pytest
import torch

from benchmarks.kernels.gate import relative_error
from kernels.rowwise_quant_fp8.linear import RECIPES, Fp8Weight, fp8_linear, scaled_product, tensorwise_quant_fp8
from kernels.rowwise_quant_fp8.op import rowwise_quant_fp8
from kernels.rowwise_quant_fp8.reference import before
from tests.unit.kernels.close import assert_close

SUMMED = 2e-3  # what accumulation may change, where the e4m3 numbers are the same


def normal(*shape: int, device: torch.device, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(device)


def of_the_same_numbers(x: torch.Tensor, weight: Fp8Weight) -> torch.Tensor:
    """The product of the quantised operands in float64."""
    quantise = rowwise_quant_fp8 if weight.recipe == "rowwise" else tensorwise_quant_fp8
    values, scale = quantise(x)
    h, k = weight.shape
    dense = (weight.values.double() * weight.scale.double().T)[:h, :k]
    return (values.double() * scale.double().view(-1, 1)) @ dense.T


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(("n", "k", "h"), [(1, 16, 16), (9, 40, 24), (33, 64, 5)])
def test_it_is_the_product_of_the_quantised_operands(n: int, k: int, h: int, recipe: str, device: torch.device) -> None:
    x, weight, bias = normal(n, k, device=device), normal(h, k, device=device, seed=1), normal(h, device=device, seed=2)
    prepared = Fp8Weight.prepare(weight, recipe)
    expected = of_the_same_numbers(x, prepared)
    # A GPU gives the product as bfloat16.
    assert_close(fp8_linear(x, prepared), expected, tolerance=5e-3 if x.is_cuda else 1e-6)
    assert_close(fp8_linear(x, prepared, bias), expected + bias.double(), tolerance=5e-3 if x.is_cuda else 1e-6)
    assert relative_error(fp8_linear(x, prepared), x.double() @ weight.double().T) <= 8e-2


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_librarys_product_is_the_same(recipe: str, device: torch.device) -> None:
    if device.type == "cuda":
        pytest.skip("on a GPU the product is the library's")
    x, weight = normal(32, 64, device=device), normal(48, 64, device=device, seed=1)
    prepared = Fp8Weight.prepare(weight, recipe)
    values, scale = (rowwise_quant_fp8 if recipe == "rowwise" else tensorwise_quant_fp8)(x)
    try:
        library = torch._scaled_mm(
            values, prepared.values.T, scale_a=scale.view(-1, 1), scale_b=prepared.scale, out_dtype=torch.float32
        )
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"this PyTorch has no such product on a CPU: {error}")
    assert relative_error(fp8_linear(x, prepared), library) <= SUMMED


def test_no_product_of_the_library_leaves_its_sums_in_fourteen_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def product(x: torch.Tensor, weight: torch.Tensor, **given: object) -> torch.Tensor:
        asked.append(given)
        return torch.zeros(x.shape[0], weight.shape[1], dtype=torch.bfloat16)

    monkeypatch.setattr(torch, "_scaled_mm", product)
    x, weight, scale = torch.zeros(3, 16), torch.zeros(32, 16), torch.ones(1, 1)
    assert scaled_product(x, scale, weight, scale).shape == (3, 32)
    assert [given["use_fast_accum"] for given in asked] == [False]


@pytest.mark.parametrize("pre", ["rms", "silu", "hardswish"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_what_comes_before_is_applied_to_the_rows(recipe: str, pre: str, device: torch.device) -> None:
    x, weight = normal(9, 40, device=device), normal(24, 40, device=device, seed=1)
    found = fp8_linear(x, Fp8Weight.prepare(weight, recipe), pre=pre)
    assert relative_error(found, before(x.double(), pre) @ weight.double().T) <= 8e-2


def test_a_scale_a_row_keeps_small_rows_and_small_outputs(device: torch.device) -> None:
    x, weight = normal(8, 32, device=device), normal(16, 32, device=device, seed=1)
    x[0] *= 1e6
    weight[0] *= 1e6
    exact = x.double() @ weight.double().T
    rest = (slice(1, None), slice(1, None))
    rowwise, tensorwise = (fp8_linear(x, Fp8Weight.prepare(weight, recipe)) for recipe in ("rowwise", "tensorwise"))
    assert relative_error(rowwise[rest], exact[rest]) <= 8e-2
    assert relative_error(tensorwise[rest], exact[rest]) > 0.5


@pytest.mark.parametrize("recipe", RECIPES)
def test_nan_reaches_the_answer(recipe: str, device: torch.device) -> None:
    x, weight = normal(4, 16, device=device), Fp8Weight.prepare(normal(16, 16, device=device, seed=1), recipe)
    x[2, 3] = float("nan")
    found = fp8_linear(x, weight)
    assert found[2].isnan().all()
    assert found[[0, 1, 3]].isfinite().all() or recipe == "tensorwise"


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_rows_give_no_rows(recipe: str, device: torch.device) -> None:
    weight = Fp8Weight.prepare(normal(5, 7, device=device), recipe)
    assert fp8_linear(torch.zeros(0, 7, device=device), weight).shape == (0, 5)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    weight = Fp8Weight.prepare(normal(5, 7, device=device))
    with pytest.raises(ValueError, match=r"x is \[2, 8\]; expected \['any', 7\]"):
        fp8_linear(torch.zeros(2, 8, device=device), weight)
    with pytest.raises(ValueError, match=r"bias is \[4\]; expected \[5\]"):
        fp8_linear(torch.zeros(2, 7, device=device), weight, torch.zeros(4, device=device))
    for recipe in ("tensorwise", "rowwise"):
        with pytest.raises(ValueError, match="pre is 'gelu'; allowed are none, rms, silu, hardswish"):
            fp8_linear(
                torch.zeros(2, 7, device=device), Fp8Weight.prepare(normal(5, 7, device=device), recipe), pre="gelu"
            )
    with pytest.raises(ValueError, match="recipe is 'blockwise'; allowed are tensorwise, rowwise"):
        Fp8Weight.prepare(normal(5, 7, device=device), "blockwise")
