"""The Triton form against single candidates in float64, and what every op over shared requests must keep."""

from dataclasses import replace

import pytest
import torch

from kernels.target_attention.config import Config
from kernels.target_attention.kernel import target_attention_triton
from kernels.target_attention.op import target_attention
from kernels.target_attention.reference import MODES
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.target_attention.attend import exact, given

TINY = Config(32, 32, 4, 1)
SPLITS = [
    ([37], [70]),  # one request, tiles not full
    ([0, 5, 0, 33, 1], [3, 40, 2, 17, 0]),  # requests without candidates, histories without keys
    ([1] * 4, [32, 1, 65, 0]),
    ([16, 16], [0, 0]),
]


@pytest.mark.parametrize(
    ("dtype", "num_splits"),
    [(torch.float32, 1), (torch.float32, 3), (torch.float16, 1), (torch.bfloat16, 1), (torch.bfloat16, 3)],
    ids=str,
)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("counts", "lengths"), SPLITS, ids=str)
def test_every_candidate_attends_to_its_own_history(
    counts: list[int], lengths: list[int], mode: str, dtype: torch.dtype, num_splits: int, device: torch.device
) -> None:
    x = given(counts, lengths, dtype, device, heads=2 if dtype is torch.float32 else 1)
    divisor = 1.0 if mode == "softmax" else 3.0
    out = target_attention_triton(*x.args(), mode, None, divisor, TINY, num_splits)
    assert_close(out, exact(x, mode, divisor))


@pytest.mark.parametrize("num_splits", [1, 3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("mask", [False, True], ids=["all keys", "some keys"])
def test_a_candidate_attends_to_itself_too(mask: bool, mode: str, num_splits: int, device: torch.device) -> None:
    x = given([0, 5, 20], [3, 40, 0], torch.float32, device, mask=mask, own=True)
    assert_close(target_attention_triton(*x.args(), mode, config=TINY, num_splits=num_splits), exact(x, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_splits", [1, 2])
def test_keys_that_are_masked_do_not_count(mode: str, num_splits: int, device: torch.device) -> None:
    x = given([5, 20], [40, 18], torch.float32, device, mask=True)
    assert x.kv_mask is not None
    x.kv_mask[40:] = False  # the second request has keys, but none that counts
    out = target_attention_triton(*x.args(), mode, config=TINY, num_splits=num_splits)
    assert_close(out, exact(x, mode))
    assert not out[5:].any()


@pytest.mark.parametrize(("width", "value_width"), [(1, 1), (16, 40), (40, 16)])
def test_heads_of_any_width(width: int, value_width: int, device: torch.device) -> None:
    x = given([3, 18], [20, 33], torch.float32, device, width=width, value_width=value_width)
    assert_close(target_attention_triton(*x.args(), config=TINY), exact(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_histories_of_one_length_need_no_offsets(dtype: torch.dtype, device: torch.device) -> None:
    x = replace(given([3, 0, 18], [17, 17, 17], dtype, device, mask=True), kv_offsets=None)
    assert_close(target_attention(*x.args()[:4], kv_mask=x.kv_mask), exact(x))


def test_the_shipped_tiles_and_splits_agree(device: torch.device) -> None:
    x = given([70, 3], [300, 65], torch.float32, device)
    assert_close(target_attention(*x.args()[:4], kv_offsets=x.kv_offsets), exact(x))


def test_keys_and_values_side_by_side_are_read_where_they_lie(device: torch.device) -> None:
    x = given([3, 18], [20, 33], torch.float32, device, value_width=24)
    k, v = torch.stack([x.k, x.v], dim=1).unbind(1)
    q = torch.stack([x.q, x.q], dim=2)[:, :, 0]
    assert not k.is_contiguous()
    assert_close(target_attention_triton(q, k, v, x.user_offsets, x.kv_offsets, config=TINY), exact(x))


def test_large_scores_stay_finite(device: torch.device) -> None:
    x = given([5], [40], torch.float32, device)
    x = replace(x, q=x.q * 1e4)
    assert_close(target_attention_triton(*x.args(), config=TINY, num_splits=2), exact(x), 1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_a_candidate_does_not_see_the_others(mode: str, device: torch.device) -> None:
    x = given([9, 20], [40, 18], torch.float32, device, own=True)
    before = target_attention_triton(*x.args(), mode, config=TINY)
    assert x.self_kv is not None
    for tensor in (x.q, *x.self_kv):
        tensor[1::2] *= -7.0
    after = target_attention_triton(*x.args(), mode, config=TINY)
    torch.testing.assert_close(after[::2], before[::2], rtol=0, atol=0)


@pytest.mark.parametrize("mode", MODES)
def test_requests_together_are_requests_apart(mode: str, device: torch.device) -> None:
    x = given([9, 0, 20], [40, 3, 18], torch.float32, device, mask=True, own=True)
    together = target_attention_triton(*x.args(), mode, config=TINY)
    apart = [target_attention_triton(*x.request(b).args(), mode, config=TINY) for b in range(3)]
    torch.testing.assert_close(together, torch.cat(apart), rtol=0, atol=0)


@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_a_history_does_not_matter(mode: str, device: torch.device) -> None:
    x = given([9], [40], torch.float32, device, mask=True)
    assert x.kv_mask is not None
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3)).to(device)
    turned = replace(x, k=x.k[order], v=x.v[order], kv_mask=x.kv_mask[order])
    first, second = (target_attention_triton(*y.args(), mode, config=TINY) for y in (x, turned))
    assert_close(first, second.double())


def test_no_candidates_give_no_rows(device: torch.device) -> None:
    x = given([0, 0], [5, 6], torch.float32, device)
    assert target_attention(*x.args()[:4], kv_offsets=x.kv_offsets).shape == (0, 2, 20)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    x = given([2, 3], [5, 6], torch.float32, device)
    args = x.args()[:4]
    with pytest.raises(ValueError, match=r"k has 11 rows for 2 requests; without kv_offsets every request has as many"):
        target_attention(*args)
    with pytest.raises(ValueError, match=r"kv_offsets is \[2\]; expected \[3\]"):
        target_attention(*args, kv_offsets=x.user_offsets[:2])
    with pytest.raises(ValueError, match="mode is 'relu'; allowed are softmax, silu"):
        target_attention(*args, kv_offsets=x.kv_offsets, mode="relu")
    with pytest.raises(ValueError, match=r"divisor is 2\.0; softmax weights add up to 1, only silu takes one"):
        target_attention(*args, kv_offsets=x.kv_offsets, divisor=2.0)
    with pytest.raises(ValueError, match=r"self_kv\[0\] is \[5, 2, 20\]; expected \[5, 2, 24\]"):
        target_attention(*args, kv_offsets=x.kv_offsets, self_kv=(x.q[:, :, :20], x.q))
