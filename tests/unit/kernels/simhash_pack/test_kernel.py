"""Signatures bit for bit: vectors of small integers have exact products, so no bit is left to rounding."""

import pytest
import torch

from kernels.simhash_pack import reference
from kernels.simhash_pack.kernel import Config, simhash_pack_triton
from kernels.simhash_pack.op import simhash_pack
from kernels.simhash_pack.roofline import SimhashPackWork
from tests.unit.kernels.close import TOLERANCE

TINY = Config(16, 1, 16)


def integers(n: int, d: int, dtype: torch.dtype, device: torch.device, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, (n, d), generator=generator).to(device, dtype)


def naive(x: torch.Tensor, proj: torch.Tensor) -> list[list[int]]:
    """Word by word in Python's integers."""
    positive = (x.double().cpu() @ proj.double().cpu().T > 0).tolist()
    words = [
        [sum(bit << j for j, bit in enumerate(row[w : w + 32])) for w in range(0, len(row), 32)] for row in positive
    ]
    return [[word - (word >> 31 << 32) for word in row] for row in words]


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("n", "d", "bits"), [(1, 1, 32), (17, 24, 64), (33, 65, 96)])
def test_every_bit_is_the_sign_of_its_product(
    n: int, d: int, bits: int, dtype: torch.dtype, device: torch.device
) -> None:
    x, proj = integers(n, d, dtype, device, 1), integers(bits, d, dtype, device, 2)
    assert simhash_pack_triton(x, proj, TINY).tolist() == naive(x, proj)
    assert reference.simhash_pack(x, proj).tolist() == naive(x, proj)


def test_the_shipped_tiles_agree(device: torch.device) -> None:
    for bits in (64, 128):
        x, proj = integers(5, 40, torch.float32, device, 3), integers(bits, 40, torch.float32, device, 4)
        assert simhash_pack(x, proj).tolist() == naive(x, proj)


def test_a_vector_does_not_see_the_others(device: torch.device) -> None:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(20, 24, generator=generator).to(device)
    proj = torch.randn(64, 24, generator=generator).to(device)
    assert torch.equal(simhash_pack_triton(x[::3].contiguous(), proj, TINY), simhash_pack_triton(x, proj, TINY)[::3])


def test_distance_estimates_the_angle(device: torch.device) -> None:
    generator = torch.Generator().manual_seed(6)
    proj = torch.randn(1024, 2, generator=generator).to(device)
    angle = torch.linspace(0, torch.pi, 7)
    x = torch.stack([angle.cos(), angle.sin()], dim=1).to(device)
    packed = reference.simhash_pack(x, proj)
    different = (packed[0] ^ packed).cpu()
    distance = torch.stack([(different >> bit) & 1 for bit in range(32)]).sum((0, 2))
    torch.testing.assert_close(distance / 1024 * torch.pi, angle, atol=0.2, rtol=0)


def test_no_vectors_give_no_words(device: torch.device) -> None:
    assert simhash_pack(torch.zeros(0, 8, device=device), torch.ones(64, 8, device=device)).shape == (0, 2)


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    x = torch.zeros(3, 8, device=device)
    with pytest.raises(ValueError, match="proj has 33 rows; allowed are multiples of 32"):
        simhash_pack(x, torch.zeros(33, 8, device=device))
    with pytest.raises(ValueError, match=r"proj is \[32, 7\]"):
        simhash_pack(x, torch.zeros(32, 7, device=device))


def test_the_work_is_that_of_the_projection() -> None:
    work = SimhashPackWork(n=1000, d=64, bits=64)
    assert (work.flops, work.bytes_moved) == (8_192_000, 1000 * 128 + 64 * 128 + 8000)
