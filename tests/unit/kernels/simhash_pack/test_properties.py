"""Any vectors of small integers, whose products are exact: what scaling, turning and splitting do to the bits."""

import pytest
import torch

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.simhash_pack.kernel import simhash_pack_triton
from tests.unit.kernels.simhash_pack.test_kernel import TINY, integers, naive

SIZES = {"n": st.integers(1, 20), "d": st.integers(1, 40), "words": st.integers(1, 3), "seed": st.integers(0, 2**31)}


@settings(deadline=None, max_examples=20, derandomize=True)
@given(cut=st.integers(0, 20), **SIZES)
def test_vectors_together_are_vectors_apart(
    device: torch.device, n: int, d: int, words: int, seed: int, cut: int
) -> None:
    x, proj = integers(n, d, torch.float32, device, seed), integers(32 * words, d, torch.float32, device, seed + 1)
    out = simhash_pack_triton(x, proj, TINY)
    assert out.tolist() == naive(x, proj)
    apart = [simhash_pack_triton(part, proj, TINY) for part in (x[:cut], x[cut:])]
    assert torch.equal(out, torch.cat(apart))


@settings(deadline=None, max_examples=20, derandomize=True)
@given(power=st.integers(-3, 3), **SIZES)
def test_length_does_not_matter_and_the_opposite_has_no_bit_in_common(
    device: torch.device, n: int, d: int, words: int, seed: int, power: int
) -> None:
    x, proj = integers(n, d, torch.float32, device, seed), integers(32 * words, d, torch.float32, device, seed + 1)
    out, opposite = simhash_pack_triton(x, proj, TINY), simhash_pack_triton(-x, proj, TINY)
    assert torch.equal(out, simhash_pack_triton(x * 2.0**power, proj, TINY))
    assert not (out & opposite).any()  # neither has the bit of a product that is zero
    assert torch.equal(out, simhash_pack_triton(-x, -proj, TINY))


@settings(deadline=None, max_examples=20, derandomize=True)
@given(**SIZES)
def test_directions_in_another_order_are_words_in_another_order(
    device: torch.device, n: int, d: int, words: int, seed: int
) -> None:
    x, proj = integers(n, d, torch.float32, device, seed), integers(32 * words, d, torch.float32, device, seed + 1)
    order = torch.randperm(words, generator=torch.Generator().manual_seed(seed)).to(device)
    shuffled = proj.view(words, 32, d)[order].view(32 * words, d)
    assert torch.equal(simhash_pack_triton(x, shuffled, TINY), simhash_pack_triton(x, proj, TINY)[:, order])
