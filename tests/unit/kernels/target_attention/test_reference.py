"""The PyTorch form against single candidates in float64, its gradients, and what it spares."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from kernels.target_attention.reference import MODES, copied, target_attention
from kernels.target_attention.roofline import TargetAttentionWork
from tests.unit.kernels.close import assert_close
from tests.unit.kernels.target_attention.attend import Given, exact, given

CPU = torch.device("cpu")


def shapes() -> Iterator[tuple[list[int], list[int]]]:
    yield [7], [9]
    yield [0, 5, 3], [4, 0, 9]
    yield [4, 4], [6, 6]
    yield [2, 0], [0, 0]


def run(x: Given, mode: str, max_candidates: int | None = None) -> torch.Tensor:
    divisor = 1.0 if mode == "softmax" else 3.0
    return target_attention(*x.args(), mode, None, divisor, max_candidates)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("counts", "lengths"), list(shapes()), ids=str)
def test_it_is_the_definition(counts: list[int], lengths: list[int], mode: str, mask: bool, own: bool) -> None:
    x = given(counts, lengths, torch.float64, CPU, mask=mask, own=own)
    assert_close(run(x, mode), exact(x, mode, 1.0 if mode == "softmax" else 3.0), 1e-12)


@pytest.mark.parametrize("counts", [[4, 4, 4], [5, 0, 3], [9, 1, 2]], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_equal_histories_are_one_batch(counts: list[int], mode: str) -> None:
    x = replace(given(counts, [6, 6, 6], torch.float64, CPU, mask=True, own=mode == "silu"), kv_offsets=None)
    expected = exact(x, mode, 1.0 if mode == "softmax" else 3.0)
    for max_candidates in (None, max(counts)):
        assert_close(run(x, mode, max_candidates), expected, 1e-12)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("counts", [[5, 0, 3], [0, 0, 2], [1] * 3], ids=str)
def test_copies_of_the_keys_give_the_same(counts: list[int], mode: str, own: bool) -> None:
    x = replace(given(counts, [6, 6, 6], torch.float64, CPU, mask=True, own=own), kv_offsets=None)
    divisor = 1.0 if mode == "softmax" else 3.0
    out = copied(x.q, x.k, x.v, x.user_offsets, x.kv_mask, x.self_kv, mode, None, divisor)
    assert_close(out, exact(x, mode, divisor), 1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_it_is_captured_without_a_word_of_the_host() -> None:
    x = replace(given([5, 0, 3], [6, 6, 6], torch.float32, torch.device("cuda"), mask=True), kv_offsets=None)
    expected = run(x, "softmax")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = run(x, "softmax")
    graph.replay()
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_it_has_gradients_also_where_no_key_counts(mode: str, own: bool) -> None:
    x = replace(given([2, 1], [3, 3], torch.float64, CPU, width=3, value_width=2, own=own), kv_offsets=None)
    mask = torch.tensor([True, False, True, False, False, False])
    leaves = [tensor.requires_grad_() for tensor in (x.q, x.k, x.v, *(x.self_kv or ()))]

    def of(*given: torch.Tensor) -> torch.Tensor:
        q, k, v, *pair = given
        return run(replace(x, q=q, k=k, v=v, kv_mask=mask, self_kv=(pair[0], pair[1]) if pair else None), mode)

    assert torch.autograd.gradcheck(of, leaves)


def test_the_roofline_is_that_of_the_plan() -> None:
    work = TargetAttentionWork(n=32 * 64 * 64, h=2, e=128, keys=32 * 1024, pairs=32 * 64 * 64 * 1024)
    assert work.flops / 790e12 == pytest.approx(174e-6, rel=0.01)  # the published shape: 2048 candidates of 64 rows
    assert work.bytes_moved / 4.3e12 == pytest.approx(39e-6, rel=0.02)
