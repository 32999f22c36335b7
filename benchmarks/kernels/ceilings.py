"""What this machine reaches on a large copy and a large matrix product of random numbers: the floors are made of it."""

import torch

from benchmarks.kernels.timing import side_by_side
from kernels.roofline import Ceilings


def measure_ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """Bytes read plus bytes written a second, and floating-point operations a second in `dtype`."""
    gpu = device.type == "cuda"
    generator = torch.Generator(device).manual_seed(0)
    source = torch.randn(2**30 if gpu else 2**25, generator=generator, device=device)  # 4 GiB or 128 MiB
    target = torch.randn(source.shape, generator=generator, device=device)
    side = 8192 if gpu else 1536
    a, b = (torch.randn(side, side, generator=generator, device=device).to(dtype) for _ in range(2))
    copied = side_by_side({"copy": lambda x, y: y.copy_(x)}, [(source, target)])["copy"].median_s
    product = _fp8_product if dtype is torch.float8_e4m3fn else torch.matmul
    multiplied = side_by_side({"product": product}, [(a, b)])["product"].median_s
    return Ceilings(2 * side**3 / multiplied, 2 * source.numel() * source.itemsize / copied)


def _fp8_product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    one = torch.ones((), device=a.device)
    return torch._scaled_mm(a, b.T, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
