"""Numbers and words of the host are refused by name where no form could take them, whichever form would run."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from kernels.backend import Backend
from kernels.broadcast_lce.weights import prepare_lce_weights
from kernels.broadcast_linear.epilogue import BlockNorm
from kernels.broadcast_linear.op import broadcast_linear
from kernels.checks import check_integer
from kernels.compact_tuples.layout import pack_tuples
from kernels.gather_dequant.wire import WireFormat
from kernels.grouped_linear.packed import PackedLinears
from kernels.hamming_hist.op import hamming_hist
from kernels.hamming_topk.op import hamming_topk
from kernels.jagged_unique.op import jagged_unique
from kernels.rowwise_quant_fp8.op import rowwise_quant_fp8
from kernels.sdim_pool.op import bucket_means
from kernels.target_attention.op import target_attention

N, B, K = 6, 2, 16
Call = Callable[[torch.device, Any], object]  # Any: what is passed is what no type would allow


def _signed(op: Callable[..., object], name: str) -> Call:
    def call(device: torch.device, value: Any) -> object:  # Any: see Call
        words = torch.arange(2 * N, dtype=torch.int32, device=device).view(N, 2)
        return op(words, words, *_split(device), **{name: value})

    return call


def _split(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    index, offsets = torch.arange(N) // (N // B), torch.arange(0, N + 1, N // B)
    return index.to(device, torch.int32), offsets.to(device, torch.int32)


def _attention(device: torch.device, **options: Any) -> torch.Tensor:  # Any: see Call
    q, k, v = (torch.ones(N, 2, K, device=device) for _ in range(3))
    return target_attention(q, k, v, _split(device)[1], **options)


def _blocks(device: torch.device, width: Any) -> torch.Tensor:  # Any: see Call
    x, weight, request = (torch.ones(n, m, device=device) for n, m in ((N, K), (128, K), (B, 128)))
    return broadcast_linear(x, weight, request, _split(device)[0], epilogue=BlockNorm(width))


CALLS: dict[str, Call] = {
    "bins": _signed(hamming_hist, "bins"),
    "k": _signed(hamming_topk, "k"),
    "capacity": lambda device, value: jagged_unique(torch.arange(N, device=device), capacity=value),
    "width": lambda device, value: rowwise_quant_fp8(torch.ones(N, K, device=device), width=value),
    "max_candidates": lambda device, value: _attention(device, max_candidates=value),
    "num_request": lambda device, value: prepare_lce_weights(torch.ones(4, K, device=device), value),
    "tile": lambda device, value: PackedLinears.pack([torch.ones(4, K, device=device)], tile=value),
    "group_bits": lambda device, value: bucket_means(
        torch.zeros(N, 1, dtype=torch.int32, device=device), torch.ones(N, K, device=device), _split(device)[1], value
    ),
    "epilogue.width": _blocks,
}
BOTH = pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)


@BOTH
@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("bins", 0, "are 1 to 16"),
        ("bins", 17, "are 1 to 16"),
        ("k", 0, "is 1 or more"),
        ("capacity", -1, "is 0 or more"),
        ("width", 15, "is 16 or more"),
        ("max_candidates", 0, "is 3 or more"),
        ("max_candidates", 2, "is 3 or more"),
        ("num_request", 17, "are 0 to 16"),
        *(("tile", tile, "are 32, 64, 128") for tile in (7, -1, 0, 1, 16, 256, 64.0)),
        ("group_bits", 3, "are 1, 2, 4, 8, 16"),
        ("group_bits", 4.0, "are 1, 2, 4, 8, 16"),
        ("epilogue.width", 7, "are 64, 128, 256"),
        ("epilogue.width", 64.0, "are 64, 128, 256"),
    ],
)
def test_a_number_beyond_its_bounds_is_refused(
    name: str, value: float, allowed: str, backend: Backend, device: torch.device
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(name)} is {value}; allowed {allowed}$"):
        CALLS[name](device, value)


@BOTH
@pytest.mark.parametrize(
    ("name", "value"),
    [("bins", 4.5), ("bins", 4.0), ("k", 2.0), ("capacity", 4.0), ("width", 48.0), ("max_candidates", 3.0)],
)
def test_a_number_with_a_point_is_refused(name: str, value: float, backend: Backend, device: torch.device) -> None:
    with pytest.raises(TypeError, match=f"^{name} is {value}; an int is expected$"):
        CALLS[name](device, value)


@pytest.mark.parametrize("name", ["width", "values_at", "scale_at", "offset_at"])
def test_a_row_is_laid_out_in_whole_bytes(name: str) -> None:
    layout = {"width": 8, "values_at": 0}
    with pytest.raises(TypeError, match=f"^{name} is 7.5; an int is expected$"):
        WireFormat("int4", **{**layout, name: 7.5})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^{name} is -4; allowed is [01] or more$"):
        WireFormat("int4", **{**layout, name: -4})


@BOTH
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_candidate_s_own_key_comes_with_its_value(count: int, backend: Backend, device: torch.device) -> None:
    own = torch.ones(N, 2, K, device=device)
    with pytest.raises(TypeError, match="self_kv is no pair; expected are two tensors, keys and values"):
        _attention(device, self_kv=(own,) * count)


@BOTH
def test_heads_without_columns_are_refused(backend: Backend, device: torch.device) -> None:
    q, k, v = (torch.ones(N, 2, width, device=device) for width in (0, 0, K))
    with pytest.raises(ValueError, match=r"q is \[6, 2, 0\]; a head has one column or more"):
        target_attention(q, k, v, _split(device)[1])
    q, k, v = (torch.ones(N, 2, width, device=device) for width in (K, K, 0))
    assert target_attention(q, k, v, _split(device)[1]).shape == (N, 2, 0)


@pytest.mark.parametrize(
    ("lengths", "ids", "said"),
    [
        (np.array([1]), np.array([7.5]), "ids is float64"),
        (np.array([1.0]), np.array([7]), "lengths is float64"),
        (np.array([1]), np.array([2**63], np.uint64), "ids is uint64"),
        (np.array([1]), [7], "ids is a list"),
    ],
)
def test_ids_are_packed_as_integers_or_not_at_all(lengths: Any, ids: Any, said: str) -> None:  # Any: see Call
    with pytest.raises(TypeError, match=f"^{said}; an array of integers that int64 holds is expected$"):
        pack_tuples(lengths, ids)


def test_bounds_are_allowed_themselves() -> None:
    check_integer("k", 1, 1)
    check_integer("bins", 16, 1, 16)
    with pytest.raises(TypeError, match="k is None; an int is expected"):
        check_integer("k", None, 1)  # type: ignore[arg-type]
