"""The Triton form against the definition in float64, and what every op over shared requests must keep."""

import pytest
import torch

from kernels.broadcast_lce.config import CONFIGS, FP32_CONFIG, TRIALS, Config, config_for
from kernels.broadcast_lce.kernel import broadcast_lce_triton
from kernels.broadcast_lce.op import broadcast_lce
from kernels.broadcast_lce.weights import prepare_lce_weights
from tests.unit.kernels.close import TOLERANCE, assert_close
from tests.unit.kernels.ragged import candidate_index

TINY = Config(16, 16, 16, 4, 2)
TINY_DESCRIPTORS = Config(16, 16, 16, 4, 2, descriptors=True)
SPLITS = [[4], [0, 2, 0, 3, 1], [1] * 3, [2, 0]]

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(counts: list[int], m: int, k: int, d: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    generator = torch.Generator().manual_seed(m * 1000 + k * 10 + d)
    index, _ = candidate_index(counts, device)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device, dtype)

    return normal(len(index), k, d), normal(m, k) / k**0.5, normal(len(counts), m, d), index


def exact(x: torch.Tensor, weight: torch.Tensor, request: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Materialised: every candidate carries its request's part."""
    return torch.einsum("mk,nkd->nmd", weight.double(), x.double()) + request.double()[index.long()]


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("m", "k", "d"), [(1, 1, 1), (20, 24, 16), (17, 33, 5), (33, 7, 20)])
@pytest.mark.parametrize("counts", SPLITS, ids=str)
def test_it_is_the_materialised_compression(
    counts: list[int], m: int, k: int, d: int, dtype: torch.dtype, device: torch.device
) -> None:
    given = inputs(counts, m, k, d, dtype, device)
    assert_close(broadcast_lce_triton(*given, config=TINY), exact(*given))


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("m", "k", "d"), [(20, 24, 16), (17, 33, 32)])
@pytest.mark.parametrize("counts", [[3], [0, 2, 0, 3, 1]], ids=str)
def test_tiles_copied_by_descriptors_agree(
    counts: list[int], m: int, k: int, d: int, dtype: torch.dtype, device: torch.device
) -> None:
    x, weight, request, index = inputs(counts, m, k, d, dtype, device)
    padded = prepare_lce_weights(weight, 0).candidate
    out = broadcast_lce_triton(x, padded, request, index, TINY_DESCRIPTORS)
    assert_close(out, exact(x, weight, request, index))


def test_a_tile_of_descriptors_is_of_one_candidate(device: torch.device) -> None:
    given = inputs([3], 20, 32, 24, torch.float32, device)
    with pytest.raises(AssertionError):
        broadcast_lce_triton(*given, TINY_DESCRIPTORS)


def test_tiles_follow_the_outputs() -> None:
    assert config_for(100, 256, 64, 2) == CONFIGS["small"]
    assert config_for(10_000, 256, 64, 2) == CONFIGS["wide"]
    assert config_for(10_000, 32, 64, 2) == CONFIGS["flat"]
    assert config_for(10_000, 256, 64, 4) == FP32_CONFIG


@pytest.mark.parametrize("config", [*CONFIGS.values(), *TRIALS.values()], ids=[*CONFIGS, *TRIALS])
def test_the_shipped_tiles_agree(config: Config, device: torch.device) -> None:
    given = inputs([2, 1], 70, 72, 256, torch.bfloat16, device)
    assert_close(broadcast_lce_triton(*given, config), exact(*given))


def test_the_op_takes_a_tile_by_itself(device: torch.device) -> None:
    given = inputs([4, 3], 70, 70, 40, torch.float32, device)
    assert_close(broadcast_lce(*given), exact(*given))


def test_padded_weights_split_off_a_compression_of_both_parts(device: torch.device) -> None:
    x, weight, x_request, index = inputs([5, 0, 3], 20, 31, 16, torch.float32, device)
    whole = torch.cat([torch.randn(20, 20, device=device), weight], dim=1)
    weights = prepare_lce_weights(whole, 20)
    assert weights.candidate.shape == (128, 32)
    assert x_request.shape == (3, 20, 16)
    request = weights.request @ x_request
    both = torch.cat([x_request[index.long()], x], dim=1)
    assert_close(broadcast_lce(x, weights.candidate, request, index), whole.double() @ both.double())


def test_padding_is_not_read_into_the_result(device: torch.device) -> None:
    x, weight, request, index = inputs([5, 3], 20, 31, 16, torch.float32, device)
    padded = prepare_lce_weights(weight, 0).candidate
    torch.testing.assert_close(
        broadcast_lce_triton(x, padded, request, index, TINY),
        broadcast_lce_triton(x, weight, request, index, TINY), rtol=0, atol=0,
    )  # fmt: skip


def test_embeddings_may_be_a_slice_of_wider_ones(device: torch.device) -> None:
    x, weight, request, index = inputs([5, 3], 20, 24, 16, torch.float32, device)
    wide = torch.full((8, 30, 48), float("nan"), device=device)
    wide[:, 3:27, 16:32] = x
    given = wide[:, 3:27, 16:32], weight, request, index
    assert_close(broadcast_lce_triton(*given, config=TINY), exact(x, weight, request, index))


def test_a_candidate_does_not_see_the_others(device: torch.device) -> None:
    x, weight, request, index = inputs([6, 5], 20, 24, 16, torch.float32, device)
    whole = broadcast_lce_triton(x, weight, request, index, TINY)
    keep = torch.arange(0, 11, 2, device=device)
    some = broadcast_lce_triton(x[keep].contiguous(), weight, request, index[keep].contiguous(), TINY)
    torch.testing.assert_close(some, whole[keep], rtol=0, atol=0)


def test_requests_together_are_requests_apart(device: torch.device) -> None:
    x, weight, request, index = inputs([4, 0, 5], 20, 24, 16, torch.float32, device)
    apart = [
        broadcast_lce_triton(x[index == b], weight, request[b : b + 1], torch.zeros_like(index[index == b]), TINY)
        for b in range(3)
    ]
    together = broadcast_lce_triton(x, weight, request, index, TINY)
    torch.testing.assert_close(together, torch.cat(apart), rtol=0, atol=0)


@pytest.mark.parametrize(("counts", "m", "k", "d"), [([0, 0], 20, 24, 16), ([2, 1], 0, 24, 16), ([2, 1], 20, 24, 0)])
def test_nothing_to_compute_gives_no_elements(counts: list[int], m: int, k: int, d: int, device: torch.device) -> None:
    given = inputs(counts, m, k, d, torch.float32, device)
    assert broadcast_lce(*given).shape == (sum(counts), m, d)


def test_without_embeddings_the_requests_part_is_left(device: torch.device) -> None:
    x, _, request, index = inputs([2, 1], 20, 24, 16, torch.float32, device)
    out = broadcast_lce(x[:, :0], torch.zeros(20, 0, device=device), request, index)
    torch.testing.assert_close(out, request[index.long()], rtol=0, atol=0)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    x, weight, request, index = inputs([4, 4], 20, 24, 16, torch.float32, device)
    with pytest.raises(ValueError, match=r"request is \[2, 20, 15\]; expected \['any', 'any', 16\]"):
        broadcast_lce(x, weight, request[:, :, :15], index)
    with pytest.raises(ValueError, match=r"weight is \[20, 23\]; expected at least \[20, 24\]"):
        broadcast_lce(x, weight[:, :23], request, index)
    with pytest.raises(ValueError, match="cand_to_user is int64; allowed is int32"):
        broadcast_lce(x, weight, request, index.long())
    with pytest.raises(ValueError, match=r"x is \[8, 24\]; expected \['any', 'any', 'any'\]"):
        broadcast_lce(x[:, :, 0], weight, request, index)
    with pytest.raises(ValueError, match="request has no rows; 8 candidates ask for one"):
        broadcast_lce(x, weight, request[:0], index)
    with pytest.raises(ValueError, match="num_request is 25; allowed are 0 to 24"):
        prepare_lce_weights(weight, 25)
