"""Every epilogue against its formula in float64, in the fused form and behind the library's product."""

import pytest
import torch

from kernels.broadcast_linear import dispatch, reference
from kernels.broadcast_linear.config import Config
from kernels.broadcast_linear.epilogue import BlockNorm, Cross, Epilogue, Normed
from kernels.broadcast_linear.kernel import broadcast_linear_triton, finish_triton
from kernels.broadcast_linear.op import broadcast_linear
from tests.unit.kernels.broadcast_linear.test_kernel import TINY, Inputs, inputs
from tests.unit.kernels.close import TOLERANCE, assert_close

EPILOGUES = ["cross", "layer norm", "rms norm", "block norm"]
BLOCK = 32  # the width of TINY's tile


def epilogue_of(name: str, n: int, h: int, dtype: torch.dtype, device: torch.device, block: int = BLOCK) -> Epilogue:
    generator = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    match name:
        case "cross":
            wide = normal(n, h + 5).to(dtype)
            return Cross(wide[:, 5:], normal(n, h).to(dtype))
        case "block norm":
            return BlockNorm(block, 1e-5)
        case _:
            mean = normal(n) if name == "layer norm" else None
            return Normed(normal(n).abs() + 0.5, mean, normal(h), normal(h))


def exact(given: Inputs, epilogue: Epilogue, activation: str) -> torch.Tensor:
    """The formulas of `epilogue.py`, element by element."""
    x, weight, request, index = (tensor.double() if tensor.is_floating_point() else tensor for tensor in given)
    y = x @ weight.T + request[index.long()]
    match epilogue:
        case Cross(x0, x1):
            y = x0.double() * y + x1.double()
        case Normed(rstd, mean, gain, offset):
            shift = 0.0 if mean is None else mean.double()[:, None] * gain.double()
            y = rstd.double()[:, None] * (y - shift) + offset.double()
        case BlockNorm(width, eps):
            blocks = y.reshape(len(y), -1, width)
            y = (blocks / (blocks.square().mean(2, keepdim=True) + eps).sqrt()).reshape(y.shape)
    return reference.activate(y, activation)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("name", EPILOGUES)
@pytest.mark.parametrize("activation", ["none", "hardswish"])
def test_the_kernel_finishes_as_the_formula_says(
    name: str, activation: str, dtype: torch.dtype, device: torch.device
) -> None:
    given = inputs([5, 0, 14], 24, 64, dtype, device)
    epilogue = epilogue_of(name, 19, 64, dtype, device)
    expected = exact(given, epilogue, activation)
    assert_close(broadcast_linear_triton(*given, activation, epilogue, config=TINY), expected)


@pytest.mark.parametrize("name", EPILOGUES)
def test_the_definition_is_the_formula(name: str, device: torch.device) -> None:
    given = inputs([5, 0, 14], 24, 64, torch.float32, device)
    epilogue = epilogue_of(name, 19, 64, torch.float32, device)
    assert_close(reference.broadcast_linear(*given, "silu", epilogue), exact(given, epilogue, "silu"))


@pytest.mark.parametrize("name", EPILOGUES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_finishing_the_librarys_product_gives_the_same(name: str, dtype: torch.dtype, device: torch.device) -> None:
    given = inputs([5, 0, 14], 24, 64, dtype, device)
    x, weight, request, index = given
    epilogue = epilogue_of(name, 19, 64, dtype, device)
    out = finish_triton(torch.nn.functional.linear(x, weight), request, index, "silu", epilogue)
    assert_close(out, exact(given, epilogue, "silu"), 2 * TOLERANCE[dtype])  # the product is rounded as well


def test_one_column_more_than_a_tile(device: torch.device) -> None:
    given = inputs([5, 14], 24, 33, torch.float32, device)
    for name in ("cross", "layer norm"):
        epilogue = epilogue_of(name, 19, 33, torch.float32, device)
        assert_close(broadcast_linear_triton(*given, "none", epilogue, config=TINY), exact(given, epilogue, "none"))


def test_the_shipped_block_is_256_wide(device: torch.device) -> None:
    given = inputs([5, 3], 24, 512, torch.float32, device)
    assert_close(broadcast_linear(*given, epilogue=BlockNorm()), exact(given, BlockNorm(), "none"))


@pytest.mark.parametrize("b", [1, 2])
def test_a_deep_product_is_the_librarys_and_a_cancelling_one_is_not(
    b: int, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dispatch.PEAK_FLOPS, 2, dispatch.BYTES_PER_S)  # every K of more than a few is deep
    given = inputs([4] * b, 24, 64, torch.bfloat16, device)
    for name in EPILOGUES:
        epilogue = epilogue_of(name, 4 * b, 64, torch.bfloat16, device, block=64)
        out = broadcast_linear(*given, epilogue=epilogue)
        assert_close(out, exact(given, epilogue, "none"), 2 * TOLERANCE[torch.bfloat16])


@pytest.mark.parametrize("name", EPILOGUES)
def test_gradients_take_the_definition(name: str, device: torch.device) -> None:
    x, weight, request, index = inputs([5, 3], 24, 64, torch.float32, device)
    weight.requires_grad_()
    out = broadcast_linear(
        x, weight, request, index, epilogue=epilogue_of(name, 8, 64, torch.float32, device, block=64)
    )
    torch.autograd.backward(out.square().sum())
    assert weight.grad is not None
    assert bool(weight.grad.abs().sum() > 0)


def test_a_tile_wider_than_a_block_is_refused(device: torch.device) -> None:
    given = inputs([5], 24, 64, torch.float32, device)
    with pytest.raises(AssertionError):
        broadcast_linear_triton(*given, epilogue=BlockNorm(32), config=Config(16, 64, 16, 4, 2))


def test_an_epilogue_that_does_not_fit_is_named(device: torch.device) -> None:
    given = inputs([4, 4], 24, 40, torch.float32, device)
    ones, outputs = torch.ones(8, device=device), torch.ones(40, device=device)
    with pytest.raises(ValueError, match=r"epilogue.width is 256 for 40 outputs; allowed are divisors among"):
        broadcast_linear(*given, epilogue=BlockNorm())
    with pytest.raises(ValueError, match=r"epilogue.x is \[8, 24\]; expected \[8, 40\]"):
        broadcast_linear(*given, epilogue=Cross(torch.ones(8, 40, device=device), given[0]))
    with pytest.raises(ValueError, match=r"epilogue.mean is float16; allowed is float32"):
        broadcast_linear(*given, epilogue=Normed(ones, ones.half(), outputs, outputs))
    with pytest.raises(ValueError, match=r"epilogue is 'cross'; allowed are None, a Cross, a Normed or a BlockNorm"):
        broadcast_linear(*given, epilogue="cross")  # type: ignore[arg-type]
