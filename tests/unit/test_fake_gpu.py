"""The fake GPU refuses what a real one would wait for, or could not do."""

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException

from kernels.broadcast_linear.op import broadcast_linear
from tests.fake_gpu import CUDA, fake_gpu


def test_a_value_cannot_be_read() -> None:
    with fake_gpu(), pytest.raises(DataDependentOutputException):
        torch.ones(3, device=CUDA).sum().item()


def test_the_host_cannot_be_copied_to() -> None:
    with fake_gpu(), pytest.raises(AssertionError, match="gives one on cpu"):
        torch.ones(3, device=CUDA).cpu()


def test_devices_cannot_be_mixed() -> None:
    with fake_gpu(), pytest.raises(RuntimeError, match="device"):
        torch.ones(3, device=CUDA) + torch.ones(3)


def test_a_kernel_is_counted() -> None:
    with fake_gpu() as launched, torch.inference_mode():
        x, weight, request = (torch.randn(shape, device=CUDA) for shape in ((5, 8), (4, 8), (2, 4)))
        out = broadcast_linear(x, weight, request, torch.zeros(5, dtype=torch.int32, device=CUDA))
    assert (out.shape, out.device.type) == ((5, 4), "cuda")
    (launch,) = launched
    assert (launch.name, launch.given["n"], launch.given["k"]) == ("broadcast_linear_fwd_kernel", 5, 8)
