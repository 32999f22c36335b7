"""The Triton form against the definition in float64, and what every op over shared requests must keep."""

import pytest
import torch

from kernels.broadcast_linear import dispatch, reference
from kernels.broadcast_linear.config import CONFIGS, FP8_CONFIGS, FP32_CONFIG, TRIALS, Config, config_for
from kernels.broadcast_linear.epilogue import Normed
from kernels.broadcast_linear.kernel import broadcast_linear_triton
from kernels.broadcast_linear.op import broadcast_linear
from tests.unit.kernels.close import TOLERANCE, assert_close
from tests.unit.kernels.ragged import candidate_index

TINY = Config(16, 32, 16, 4, 2)
TINY_DESCRIPTORS = Config(16, 32, 16, 4, 2, descriptors=True)
SPLITS = [[17], [0, 5, 0, 20, 1], [1] * 9, [3, 0]]

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(counts: list[int], k: int, h: int, dtype: torch.dtype, device: torch.device, seed: int = 0) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    index, _ = candidate_index(counts, device)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device, dtype)

    return normal(len(index), k), normal(h, k) / k**0.5, normal(len(counts), h), index


def exact(x: torch.Tensor, weight: torch.Tensor, request: torch.Tensor, index: torch.Tensor, act: str) -> torch.Tensor:
    """Materialised: every candidate carries its request's part."""
    return reference.activate(x.double() @ weight.double().T + request.double()[index.long()], act)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("k", "h"), [(1, 1), (24, 40), (65, 33)])
@pytest.mark.parametrize("counts", SPLITS, ids=str)
def test_it_is_the_materialised_linear(
    counts: list[int], k: int, h: int, dtype: torch.dtype, device: torch.device
) -> None:
    given = inputs(counts, k, h, dtype, device)
    assert_close(broadcast_linear_triton(*given, config=TINY), exact(*given, "none"))


@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_the_activation_is_applied_before_rounding(activation: str, device: torch.device) -> None:
    given = inputs([5, 12], 24, 40, torch.bfloat16, device)
    assert_close(broadcast_linear_triton(*given, activation, config=TINY), exact(*given, activation))


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("counts", "k", "h"), [([37], 24, 40), ([0, 5, 0, 30], 40, 32), ([3], 8, 8)], ids=str)
def test_tiles_copied_by_descriptors_agree(
    counts: list[int], k: int, h: int, dtype: torch.dtype, device: torch.device
) -> None:
    given = inputs(counts, k, h, dtype, device)
    assert_close(broadcast_linear_triton(*given, config=TINY_DESCRIPTORS), exact(*given, "none"))


def test_rows_may_be_parts_of_wider_ones(device: torch.device) -> None:
    x, weight, request, index = inputs([5, 12], 24, 40, torch.float32, device)
    wide = torch.full((17, 64), float("nan"), device=device)
    wide[:, 7:31] = x
    out = broadcast_linear_triton(wide[:, 7:31], weight, request, index, config=TINY)
    assert_close(out, exact(x, weight, request, index, "none"))


def test_a_requests_part_in_float32_is_not_rounded(device: torch.device) -> None:
    x, weight, request, index = inputs([5, 12], 24, 40, torch.bfloat16, device)
    large = request.float() + 1000.123  # bfloat16 would round it to a multiple of 8
    x = torch.zeros_like(x)
    out = broadcast_linear(x, weight, large, index, epilogue=Normed(*_shifted(large, index)))
    assert out.dtype is torch.bfloat16
    assert_close(out, large.double()[index.long()] - large.double().mean())


def _shifted(large: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A `Normed` that subtracts the mean of `large` and does nothing else."""
    h = large.shape[1]
    ones, mean = torch.ones(len(index), device=large.device), large.double().mean().float().expand(len(index))
    return ones, mean.contiguous(), torch.ones(h, device=large.device), torch.zeros(h, device=large.device)


@pytest.mark.parametrize("config", [*CONFIGS.values(), *TRIALS.values()], ids=[*CONFIGS, *TRIALS])
def test_the_shipped_tiles_agree(config: Config, device: torch.device) -> None:
    given = inputs([70, 3], 72, 136, torch.bfloat16, device)
    assert_close(broadcast_linear_triton(*given, config=config), exact(*given, "none"))


def test_the_op_takes_a_tile_by_itself(device: torch.device) -> None:
    given = inputs([70, 3], 70, 130, torch.float32, device)
    assert_close(broadcast_linear(*given), exact(*given, "none"))


@pytest.mark.parametrize("activation", ["none", "silu"])
@pytest.mark.parametrize("deep", [False, True], ids=["shallow", "deep"])
@pytest.mark.parametrize("counts", [[17], [5, 12]], ids=str)
def test_every_form_gives_the_same(
    counts: list[int], deep: bool, activation: str, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    if deep:
        monkeypatch.setitem(dispatch.PEAK_FLOPS, 2, 1e-3 * dispatch.BYTES_PER_S)
    given = inputs(counts, 24, 40, torch.bfloat16, device)
    assert_close(broadcast_linear(*given, activation=activation), exact(*given, activation))


def test_the_definition_is_the_materialised_linear(device: torch.device) -> None:
    for counts in SPLITS:
        given = inputs(counts, 24, 40, torch.float32, device)
        assert_close(reference.broadcast_linear(*given), exact(*given, "none"))


def test_a_candidate_does_not_see_the_others(device: torch.device) -> None:
    x, weight, request, index = inputs([20, 13], 24, 40, torch.float32, device)
    whole = broadcast_linear_triton(x, weight, request, index, config=TINY)
    keep = torch.arange(0, 33, 2, device=device)
    some = broadcast_linear_triton(x[keep].contiguous(), weight, request, index[keep].contiguous(), config=TINY)
    torch.testing.assert_close(some, whole[keep], rtol=0, atol=0)


def test_requests_together_are_requests_apart(device: torch.device) -> None:
    x, weight, request, index = inputs([20, 0, 13], 24, 40, torch.float32, device)
    together = broadcast_linear_triton(x, weight, request, index, config=TINY)
    apart = [
        broadcast_linear_triton(x[index == b], weight, request[b : b + 1], torch.zeros_like(index[index == b]))
        for b in range(3)
    ]
    assert_close(together, torch.cat(apart).double())


def test_no_candidates_give_no_rows(device: torch.device) -> None:
    given = inputs([0, 0], 24, 40, torch.float32, device)
    assert broadcast_linear(*given).shape == (0, 40)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    x, weight, request, index = inputs([4, 4], 24, 40, torch.float32, device)
    with pytest.raises(ValueError, match=r"request is \[2, 39\]; expected \['any', 40\]"):
        broadcast_linear(x, weight, request[:, :39], index)
    with pytest.raises(ValueError, match="weight is float16; allowed is float32"):
        broadcast_linear(x, weight.half(), request, index)
    with pytest.raises(ValueError, match="activation is 'gelu'; allowed are none, relu, silu, hardswish"):
        broadcast_linear(x, weight, request, index, activation="gelu")


def test_large_outputs_take_large_tiles() -> None:
    assert config_for(1000, 1024, 2) == CONFIGS["small"]
    assert config_for(10_000, 1024, 2) == CONFIGS["wide"]
    assert config_for(10_000, 1024, 4) == FP32_CONFIG
    assert config_for(10_000, 1024, 1) == FP8_CONFIGS["fp8-wide"]
    assert config_for(10_000, 1024, 1, factors=True) == FP8_CONFIGS["fp8-half"]
    assert config_for(1000, 1024, 1, factors=True) == FP8_CONFIGS["fp8-small"]
    assert config_for(10_000, 1024, 2, factors=True) == CONFIGS["wide"]
    assert config_for(10_000, 1024, 2, block=256).outputs == 256
