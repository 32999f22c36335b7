"""Eight bits: against the product of what the numbers stand for, so that only the kernel's own error counts."""

import pytest
import torch

from kernels.broadcast_linear import reference
from kernels.broadcast_linear.config import FP8_CONFIGS, Config
from kernels.broadcast_linear.epilogue import Cross
from kernels.broadcast_linear.kernel import broadcast_linear_triton
from kernels.broadcast_linear.op import broadcast_linear_fp8
from tests.unit.kernels.close import TOLERANCE, assert_close
from tests.unit.kernels.ragged import candidate_index

TINY = Config(16, 32, 32, 4, 2)

Fp8Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def fp8_inputs(counts: list[int], k: int, h: int, dtype: torch.dtype, device: torch.device) -> Fp8Inputs:
    generator = torch.Generator().manual_seed(k + h)
    index, _ = candidate_index(counts, device)

    def quantised(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        values = torch.randn(rows, k, generator=generator) * torch.logspace(-1, 1, max(rows, 1))[:rows, None]
        scale = values.abs().amax(1).clamp(min=1e-12) / 448.0
        return (values / scale[:, None]).to(torch.float8_e4m3fn).to(device), scale.to(device)

    request = torch.randn(len(counts), h, generator=generator).to(device, dtype)
    return (*quantised(len(index)), *quantised(h), request, index)


def exact(
    x: torch.Tensor, x_scale: torch.Tensor, weight: torch.Tensor, weight_scale: torch.Tensor,
    request: torch.Tensor, index: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Of what the numbers stand for, materialised."""
    product = (x.double() * x_scale.double()[:, None]) @ (weight.double() * weight_scale.double()[:, None]).T
    return product + request.double()[index.long()]


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("k", "h"), [(1, 1), (40, 24), (65, 33)])
@pytest.mark.parametrize("counts", [[19], [0, 5, 0, 14]], ids=str)
def test_it_is_the_product_of_what_the_numbers_stand_for(
    counts: list[int], k: int, h: int, dtype: torch.dtype, device: torch.device
) -> None:
    given = fp8_inputs(counts, k, h, dtype, device)
    x, x_scale, weight, weight_scale, request, index = given
    scales = (x_scale, weight_scale)
    out = broadcast_linear_triton(x, weight, request, index, scales=scales, config=TINY)
    assert out.dtype is dtype
    # A GPU's own sums of eight-bit products keep some 14 bits between promotions.
    assert_close(out, exact(*given), max(TOLERANCE[dtype], 2e-3 if device.type == "cuda" else 0.0))


@pytest.mark.parametrize("config", FP8_CONFIGS.values(), ids=FP8_CONFIGS)
def test_the_shipped_tiles_agree(config: Config, device: torch.device) -> None:
    given = fp8_inputs([70, 3], 144, 136, torch.bfloat16, device)
    x, x_scale, weight, weight_scale, request, index = given
    out = broadcast_linear_triton(x, weight, request, index, scales=(x_scale, weight_scale), config=config)
    assert_close(out, exact(*given))


def test_the_epilogue_follows_the_scales(device: torch.device) -> None:
    given = fp8_inputs([5, 6], 40, 24, torch.bfloat16, device)
    x0, x1 = torch.randn(11, 24, device=device).bfloat16(), torch.randn(11, 24, device=device).bfloat16()
    out = broadcast_linear_fp8(*given, activation="relu", epilogue=Cross(x0, x1))
    assert_close(out, (x0.double() * exact(*given) + x1.double()).relu())


def test_one_request_takes_the_librarys_product(device: torch.device) -> None:
    if device.type == "cpu" and torch.__version__ < "2.13":
        pytest.skip(f"torch {torch.__version__} has the library's product with a scale for every row on GPUs alone")
    given = fp8_inputs([19], 64, 48, torch.bfloat16, device)
    assert_close(broadcast_linear_fp8(*given), exact(*given))


def test_the_definition_is_the_same_product() -> None:
    given = fp8_inputs([5, 6], 40, 24, torch.float32, torch.device("cpu"))
    assert_close(reference.broadcast_linear_fp8(*given), exact(*given))


def test_no_candidates_give_no_rows(device: torch.device) -> None:
    assert broadcast_linear_fp8(*fp8_inputs([0, 0], 32, 40, torch.bfloat16, device)).shape == (0, 40)
    assert broadcast_linear_fp8(*fp8_inputs([0], 32, 40, torch.bfloat16, device)).shape == (0, 40)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    x, x_scale, weight, weight_scale, request, index = fp8_inputs([4, 4], 32, 40, torch.bfloat16, device)
    with pytest.raises(ValueError, match="x is bfloat16; allowed is float8_e4m3fn"):
        broadcast_linear_fp8(x.bfloat16(), x_scale, weight, weight_scale, request, index)
    with pytest.raises(ValueError, match=r"weight_scale is \[8\]; expected \[40\]"):
        broadcast_linear_fp8(x, x_scale, weight, x_scale, request, index)
