"""The Triton form against the definition: values times scale, and bit for bit where both forms are exact."""

import pytest
import torch

from benchmarks.kernels.gate import relative_error
from kernels.rowwise_quant_fp8 import reference
from kernels.rowwise_quant_fp8.config import MAX_WIDTH, Config, config_for
from kernels.rowwise_quant_fp8.kernel import rowwise_quant_fp8_triton
from kernels.rowwise_quant_fp8.op import rowwise_quant_fp8

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
SHAPES = [(1, 1), (5, 7), (17, 64), (3, 300)]
ROUNDING = 4e-2  # relative Frobenius error of three bits of mantissa, as the plan allows it


def rows(n: int, k: int, dtype: torch.dtype, device: torch.device, seed: int = 0) -> torch.Tensor:
    """Rows of magnitudes that lie far apart."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, k, generator=generator) * 10.0 ** torch.randint(-2, 3, (n, 1), generator=generator)
    return x.to(device, dtype)


def exact(x: torch.Tensor, pre: str) -> torch.Tensor:
    """What is to be represented, in float64."""
    return reference.before(x.double(), pre)


def tiny(k: int) -> Config:
    return Config(4, max(16, 1 << (k - 1).bit_length()), 4)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("pre", reference.PRES)
@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_values_times_scale_are_the_rows(n: int, k: int, pre: str, dtype: torch.dtype, device: torch.device) -> None:
    x = rows(n, k, dtype, device)
    values, scale = rowwise_quant_fp8_triton(x, pre, config=tiny(k))
    expected = exact(x, pre)
    torch.testing.assert_close(scale.double(), expected.abs().amax(1) / 448, rtol=2e-6, atol=1e-30)
    found = values.double() * scale.double()[:, None]
    for one, wanted in zip(found, expected, strict=True):
        assert relative_error(one, wanted) <= ROUNDING
    # Half a unit in the last place of three bits, or half the smallest step near zero.
    allowed = torch.maximum(expected.abs() * 2.0**-4, scale.double()[:, None] * 2.0**-10) * (1 + 1e-5)
    assert bool(((found - expected).abs() <= allowed).all())


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_without_anything_before_it_both_forms_give_the_same_bits(dtype: torch.dtype, device: torch.device) -> None:
    x = rows(9, 50, dtype, device)
    values, scale = rowwise_quant_fp8_triton(x, config=tiny(50))
    expected_values, expected_scale = reference.rowwise_quant_fp8(x)
    assert torch.equal(values.view(torch.uint8), expected_values.view(torch.uint8))
    assert torch.equal(scale, expected_scale)


@pytest.mark.parametrize("pre", reference.PRES)
def test_rows_that_are_zero_or_not_finite_stay_by_themselves(pre: str, device: torch.device) -> None:
    x = rows(6, 20, torch.float32, device)
    x[1] = 0.0
    x[2, 7] = float("nan")
    x[3, 0] = float("inf")
    x[4, 19] = float("-inf")
    for form in (rowwise_quant_fp8_triton, reference.rowwise_quant_fp8):
        values, scale = form(x, pre)
        assert not values[1:5].float().any()
        assert scale[1] > 0
        assert scale[2:5].isnan().all()
        ordinary = torch.tensor([0, 5], device=device)
        assert relative_error(values[ordinary].double() * scale[ordinary, None], exact(x[ordinary], pre)) <= ROUNDING


@pytest.mark.filterwarnings("ignore:overflow")  # of the interpreter
def test_a_square_that_overflows_is_not_taken_for_zero(device: torch.device) -> None:
    x = torch.full((1, 20), 1e30, device=device)
    for form in (rowwise_quant_fp8_triton, reference.rowwise_quant_fp8):
        assert form(x, "rms")[1].isnan().all()


def test_the_smallest_and_largest_rows_keep_their_values(device: torch.device) -> None:
    x = torch.tensor([[3e38, -1e38], [1e-25, 5e-26]], device=device)
    for form in (rowwise_quant_fp8_triton, reference.rowwise_quant_fp8):
        values, scale = form(x)
        assert relative_error(values.double() * scale.double()[:, None], x) <= ROUNDING


def test_the_row_is_filled_up_with_zeros(device: torch.device) -> None:
    x = rows(5, 21, torch.float32, device)
    plain, scale = rowwise_quant_fp8(x)
    filled, same = rowwise_quant_fp8(x, width=32)
    assert torch.equal(filled[:, :21].view(torch.uint8), plain.view(torch.uint8))
    assert not filled[:, 21:].float().any()
    assert torch.equal(scale, same)


def test_a_row_does_not_see_the_others(device: torch.device) -> None:
    x = rows(13, 30, torch.float32, device)
    values, scale = rowwise_quant_fp8(x, pre="silu")
    for part in (x[::2], x[::2].contiguous()):
        some, some_scale = rowwise_quant_fp8(part, pre="silu")
        assert torch.equal(some.view(torch.uint8), values[::2].contiguous().view(torch.uint8))
        assert torch.equal(some_scale, scale[::2])


@pytest.mark.parametrize("shape", [(0, 8), (0, 0), (3, 0)])
def test_nothing_gives_nothing(shape: tuple[int, int], device: torch.device) -> None:
    values, scale = rowwise_quant_fp8(torch.zeros(shape, device=device))
    assert (values.shape, scale.shape) == (shape, (shape[0],))


def test_a_row_too_long_for_the_registers_takes_the_pytorch_form(device: torch.device) -> None:
    x = rows(2, MAX_WIDTH + 1, torch.float32, device)
    values, scale = rowwise_quant_fp8(x)
    assert relative_error(values.double() * scale.double()[:, None], x) <= ROUNDING


def test_a_program_holds_what_fits_into_its_registers() -> None:
    for width in (1, 256, 257, 1000, 4096, MAX_WIDTH):
        config = config_for(width)
        assert config.block >= width
        assert config.rows * config.block <= 32 * 32 * config.num_warps


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    x = rows(2, 8, torch.float32, device)
    with pytest.raises(ValueError, match=r"x is \[2\]; expected \['any', 'any'\]"):
        rowwise_quant_fp8(x[:, 0])
    with pytest.raises(ValueError, match="x is int32; allowed is float32 or float16 or bfloat16"):
        rowwise_quant_fp8(x.int())
    with pytest.raises(ValueError, match="pre is 'gelu'; allowed are none, rms, silu, hardswish"):
        rowwise_quant_fp8(x, pre="gelu")
    with pytest.raises(ValueError, match="width is 4; allowed is 8 or more"):
        rowwise_quant_fp8(x, width=4)
