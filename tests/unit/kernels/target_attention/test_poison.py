"""NaN and infinity: what is masked is not read, what is read shows, and in the candidates that read it alone."""

from dataclasses import replace

import pytest
import torch

from kernels.backend import Backend
from kernels.target_attention.op import target_attention
from kernels.target_attention.reference import MODES
from kernels.target_attention.reference import target_attention as definition
from tests.unit.kernels.maximum import like_a_gpu
from tests.unit.kernels.target_attention.attend import Given, given

NAN, INF = float("nan"), float("inf")
# What the interpreter's own arithmetic says of them.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow|All-NaN slice) encountered:RuntimeWarning")
BOTH = pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    like_a_gpu(monkeypatch)


def drawn(
    counts: list[int],
    lengths: list[int],
    dtype: torch.dtype,
    device: torch.device,
    mask: bool = False,
    own: bool = False,
) -> Given:
    """Keys as wide as values: what PyTorch's own attention takes, with its own ways of NaN."""
    return given(counts, lengths, dtype, device, width=16, value_width=16, mask=mask, own=own)


def run(x: Given, mode: str = "softmax", scale: float | None = None) -> torch.Tensor:
    return target_attention(
        *x.args()[:4], kv_offsets=x.kv_offsets, kv_mask=x.kv_mask, self_kv=x.self_kv, mode=mode, scale=scale
    )


def filled(x: Given, value: float) -> Given:
    """The same with keys and values of `value` where the mask is false."""
    assert x.kv_mask is not None
    out = ~x.kv_mask[:, None, None]
    return replace(x, k=x.k.masked_fill(out, value), v=x.v.masked_fill(out, value))


@BOTH
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("own", [False, True], ids=["", "own"])
@pytest.mark.parametrize("ragged", [False, True], ids=["equal", "ragged"])
@pytest.mark.parametrize("mode", MODES)
def test_what_is_masked_is_not_read(
    mode: str, ragged: bool, own: bool, bad: float, backend: Backend, device: torch.device
) -> None:
    x = drawn([3, 4, 2], [20, 7, 9] if ragged else [9] * 3, torch.float32, device, mask=True, own=own)
    assert x.kv_mask is not None
    x.kv_mask[-9:] = False  # the last request has no key that counts
    x = x if ragged else replace(x, kv_offsets=None)
    out = run(filled(x, bad), mode)
    assert out.isfinite().all()
    torch.testing.assert_close(out, run(filled(x, 0.0), mode), rtol=0, atol=0)


@pytest.mark.parametrize("own", [False, True], ids=["", "own"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("counts", [[5], [3, 2], [4, 0, 1]], ids=str)
def test_what_is_masked_has_no_gradient_and_spoils_none(
    counts: list[int], mode: str, own: bool, device: torch.device
) -> None:
    x = drawn(counts, [9] * len(counts), torch.float32, device, mask=True, own=own)
    x = replace(x, kv_offsets=None)
    assert x.kv_mask is not None

    def gradients(x: Given) -> list[torch.Tensor]:
        leaves = [tensor.detach().requires_grad_() for tensor in (x.q, x.k, x.v, *(x.self_kv or ()))]
        pair = (leaves[3], leaves[4]) if own else None
        out = definition(leaves[0], leaves[1], leaves[2], x.user_offsets, None, x.kv_mask, pair, mode)
        return list(torch.autograd.grad(out.square().sum(), leaves))

    found, expected = gradients(filled(x, NAN)), gradients(filled(x, 0.0))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert not found[1][~x.kv_mask].any()
    assert not found[2][~x.kv_mask].any()


@BOTH
@pytest.mark.parametrize("bad", [NAN, INF])
@pytest.mark.parametrize("length", [1, 3, 9, 40])
@pytest.mark.parametrize("mask", [False, True], ids=["all keys", "some keys"])
@pytest.mark.parametrize("own", [False, True], ids=["", "own"])
@pytest.mark.parametrize("mode", MODES)
def test_a_query_of_nan_is_nan_and_no_other_is(
    mode: str, own: bool, mask: bool, length: int, bad: float, backend: Backend, device: torch.device
) -> None:
    x = drawn([3, 4], [length, length], torch.float32, device, mask=mask, own=own)
    if x.kv_mask is not None:
        x.kv_mask[::length] = True
    before = run(x, mode)
    x.q[1] = bad
    after = run(x, mode)
    others = torch.arange(7, device=device) != 1
    assert not after[1].isfinite().any()
    torch.testing.assert_close(after[others], before[others], rtol=0, atol=0)


@BOTH
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", [0, 1], ids=["key", "value"])
def test_nan_of_its_own_shows_without_a_history_too(
    which: int, mode: str, backend: Backend, device: torch.device
) -> None:
    x = drawn([3, 4, 2], [0, 0, 9], torch.float32, device, own=True)
    assert x.self_kv is not None
    before = run(x, mode)
    x.self_kv[which][1] = NAN
    after = run(x, mode)
    others = torch.arange(9, device=device) != 1
    assert after[1].isnan().all()
    torch.testing.assert_close(after[others], before[others], rtol=0, atol=0)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("length", [1, 9, 40])
def test_a_scale_of_nan_is_nan(length: int, dtype: torch.dtype, backend: Backend, device: torch.device) -> None:
    x = drawn([3, 4], [length, length], dtype, device)
    assert run(x, scale=NAN).isnan().all()


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_the_largest_queries_stay_numbers(dtype: torch.dtype, backend: Backend, device: torch.device) -> None:
    x = drawn([3], [5], dtype, device)
    x.q[:] = torch.finfo(dtype).max / 64
    assert run(x, scale=1e-6).isfinite().all()
