"""A norm and a linear over both parts, decomposed, against the same over their concatenation."""

import pytest
import torch
import torch.nn.functional as F

from kernels.broadcast_linear import reference
from kernels.broadcast_linear.normed import fold_norm, moments, normed_parts
from kernels.broadcast_linear.op import broadcast_linear
from tests.unit.kernels.close import TOLERANCE, assert_close
from tests.unit.kernels.ragged import candidate_index

K_REQUEST, K, H = 37, 23, 40
EPS = 1e-5


def parts(counts: list[int], mean: float, dtype: torch.dtype, device: torch.device) -> tuple[torch.Tensor, ...]:
    """`x`, `x_request`, `weight`, `gamma`, `beta`, `bias` and `cand_to_user`; features around `mean`."""
    generator = torch.Generator().manual_seed(3)
    index, _ = candidate_index(counts, device)

    def normal(*shape: int, around: float = 0.0) -> torch.Tensor:
        return (torch.randn(*shape, generator=generator, dtype=torch.float64) + around).to(device, dtype)

    width = K_REQUEST + K
    return (
        normal(len(index), K, around=mean), normal(len(counts), K_REQUEST, around=mean), normal(H, width) / width**0.5,
        normal(width, around=1.0), normal(width), normal(H), index,
    )  # fmt: skip


def exact(given: tuple[torch.Tensor, ...], centred: bool) -> torch.Tensor:
    """The norm of the materialised concatenation, then the linear."""
    x, x_request, weight, gamma, beta, bias = (tensor.double() for tensor in given[:6])
    both = torch.cat([x_request[given[6].long()], x], dim=1)
    if centred:
        return F.linear(F.layer_norm(both, both.shape[1:], gamma, beta, EPS), weight, bias)
    scaled = both * torch.rsqrt(both.square().mean(1, keepdim=True) + EPS)
    return F.linear(scaled * gamma + beta, weight, bias)


@pytest.mark.parametrize("centred", [True, False], ids=["layer norm", "rms norm"])
@pytest.mark.parametrize("counts", [[9], [4, 0, 5]], ids=str)
def test_the_decomposition_is_exact(counts: list[int], centred: bool) -> None:
    given = parts(counts, 0.5, torch.float64, torch.device("cpu"))
    x, x_request, weight, gamma, beta, bias, index = given
    weights = fold_norm(weight, K_REQUEST, gamma, beta, bias, centred=centred, eps=EPS)
    request, epilogue = normed_parts(x, x_request, weights, index)
    out = reference.broadcast_linear(x, weights.candidate, request, index, "none", epilogue)
    torch.testing.assert_close(out, exact(given, centred), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("centred", [True, False], ids=["layer norm", "rms norm"])
@pytest.mark.parametrize(("dtype", "mean", "tolerance"), [
    (torch.float32, 0.0, 2e-6),
    (torch.float32, 100.0, 2e-4),  # a hundred deviations away: two of seven digits cancel
    (torch.bfloat16, 0.0, TOLERANCE[torch.bfloat16]),
])  # fmt: skip
def test_the_kernel_norms_both_parts(
    dtype: torch.dtype, mean: float, tolerance: float, centred: bool, device: torch.device
) -> None:
    given = parts([4, 0, 5], mean, dtype, device)
    x, x_request, weight, gamma, beta, bias, index = given
    weights = fold_norm(weight, K_REQUEST, gamma, beta, bias, centred=centred, eps=EPS)
    request, epilogue = normed_parts(x, x_request, weights, index, moments(x))
    out = broadcast_linear(x, weights.candidate, request, index, epilogue=epilogue)
    assert_close(out, exact(given, centred), tolerance)


def test_without_beta_and_bias_nothing_is_added() -> None:
    given = parts([4, 5], 0.5, torch.float64, torch.device("cpu"))
    x, x_request, weight, gamma, beta, bias, index = given
    bare = (x, x_request, weight, gamma, torch.zeros_like(beta), torch.zeros_like(bias), index)
    weights = fold_norm(weight, K_REQUEST, gamma, eps=EPS)
    request, epilogue = normed_parts(x, x_request, weights, index)
    out = reference.broadcast_linear(x, weights.candidate, request, index, "none", epilogue)
    torch.testing.assert_close(out, exact(bare, centred=True), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("k_request", [0, K_REQUEST + K])
def test_one_part_may_be_empty(k_request: int) -> None:
    x, x_request, weight, gamma, beta, bias, index = parts([4, 5], 0.5, torch.float64, torch.device("cpu"))
    both = torch.cat([x_request[index.long()], x], dim=1)
    mine, shared = both[:, k_request:], both[[0, 4], :k_request]
    weights = fold_norm(weight, k_request, gamma, beta, bias, eps=EPS)
    request, epilogue = normed_parts(mine, shared, weights, index)
    out = reference.broadcast_linear(mine, weights.candidate, request, index, "none", epilogue)
    whole = torch.cat([both[[0, 4]][index.long()][:, :k_request], mine], dim=1)
    expected = F.linear(F.layer_norm(whole, whole.shape[1:], gamma, beta, EPS), weight, bias)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


def test_what_does_not_fit_is_named() -> None:
    _, _, weight, gamma, beta, bias, _ = parts([4, 5], 0.5, torch.float32, torch.device("cpu"))
    with pytest.raises(TypeError, match=r"weight is a list; a torch\.Tensor is expected"):
        fold_norm([1.0], 0, gamma)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"gamma is \[59\]; expected \[60\]"):
        fold_norm(weight, K_REQUEST, gamma[1:])
    with pytest.raises(ValueError, match="bias is int64; allowed is float32"):
        fold_norm(weight, K_REQUEST, gamma, beta, bias.long())
    with pytest.raises(ValueError, match="num_request is 61; allowed are 0 to 60"):
        fold_norm(weight, 61, gamma)
