"""Every op refuses what does not fit by the same words, whichever form would run."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kernels.backend import Backend
from kernels.broadcast_lce.op import broadcast_lce
from kernels.broadcast_lce.weights import prepare_lce_weights
from kernels.broadcast_linear.epilogue import Cross, Normed
from kernels.broadcast_linear.op import broadcast_linear, broadcast_linear_fp8
from kernels.checks import check_tensor, contiguous_rows
from kernels.compact_tuples.layout import pack_tuples
from kernels.compact_tuples.op import unpack_tuples
from kernels.fm_broadcast.op import fm_broadcast, fm_broadcast_both
from kernels.gather_dequant.op import gather_dequant, gather_dequant_pool
from kernels.gather_dequant.wire import WireFormat
from kernels.grouped_linear.op import grouped_linear
from kernels.grouped_linear.packed import PackedLinears
from kernels.hamming_hist.op import hamming_hist
from kernels.hamming_pool.linear import hamming_pool_linear, history_moments
from kernels.hamming_pool.op import hamming_pool
from kernels.hamming_topk.op import hamming_topk
from kernels.hash_ids.op import hash_ids
from kernels.jagged_unique.op import jagged_unique
from kernels.rowwise_quant_fp8.linear import Fp8Weight, fp8_linear
from kernels.rowwise_quant_fp8.op import rowwise_quant_fp8
from kernels.sdim_pool.op import bucket_means, sdim_pool
from kernels.simhash_pack.op import simhash_pack
from kernels.target_attention.op import target_attention

KERNELS = Path(__file__).parents[3] / "kernels"
N, B, K, H = 6, 2, 16, 16  # candidates, requests, widths
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LAYOUT = pack_tuples(np.array([2, 1]), np.array([5, 6, 5]))[1]
PACKED = PackedLinears.pack([torch.randn(16, 8), torch.randn(32, 8)])
WIRE = WireFormat("fp16", 8, 0)
Given = Mapping[str, Any]  # tensors; an op that takes words or numbers beside them would not take them as such


def floats(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def ints(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def halves(*shape: int) -> torch.Tensor:
    return floats(*shape).half()


INDEX, OFFSETS = ints(0, 0, 0, 1, 1, 1), ints(0, 3, 6)
WORDS = torch.arange(2 * N, dtype=torch.int32).view(N, 2)
LINEAR = {"x": floats(N, K), "weight": floats(H, K), "request": floats(B, H), "cand_to_user": INDEX}
SIGNED = {"a": WORDS, "b": WORDS + 7, "cand_to_user": INDEX, "kv_offsets": OFFSETS}
ATTENTION = {"q": floats(N, 2, K), "k": floats(N, 2, K), "v": floats(N, 2, K), "user_offsets": OFFSETS}
MACHINE = {"c": halves(N, 8, K), "y_c": halves(8, 16), "t": halves(B, K, 16), "cand_to_user": INDEX}
ROWS = {"staging": torch.zeros(5, 16, dtype=torch.uint8), "slot": torch.zeros(N, 2, dtype=torch.int32)}

# By folder and form: what the call is given, by the names that its errors have, and the call.
CALLS: dict[str, tuple[Given, Callable[[Given], object]]] = {
    "broadcast_lce": (
        {"x": floats(N, 4, K), "weight": floats(8, 4), "request": floats(B, 8, K), "cand_to_user": INDEX},
        lambda t: broadcast_lce(**t),
    ),
    "broadcast_linear": (LINEAR, lambda t: broadcast_linear(**t)),
    "broadcast_linear cross": (
        {**LINEAR, "epilogue.x0": floats(N, H), "epilogue.x": floats(N, H)},
        lambda t: broadcast_linear(*_some(t, LINEAR), epilogue=Cross(t["epilogue.x0"], t["epilogue.x"])),
    ),
    "broadcast_linear normed": (
        {**LINEAR, **{f"epilogue.{name}": floats(n) for name, n in zip(Normed.__slots__, (N, N, H, H), strict=True)}},
        lambda t: broadcast_linear(
            *_some(t, LINEAR), epilogue=Normed(*(t[f"epilogue.{name}"] for name in Normed.__slots__))
        ),
    ),
    "broadcast_linear fp8": (
        {
            "x": torch.ones(N, 32).to(torch.float8_e4m3fn), "x_scale": floats(N), "cand_to_user": INDEX,
            "weight": torch.ones(H, 32).to(torch.float8_e4m3fn), "weight_scale": floats(H), "request": floats(B, H),
        },
        lambda t: broadcast_linear_fp8(**t),
    ),
    "compact_tuples": (
        {"buffer": torch.zeros(LAYOUT.num_bytes, dtype=torch.uint8)}, lambda t: unpack_tuples(t["buffer"], LAYOUT),
    ),
    "fm_broadcast": (MACHINE, lambda t: fm_broadcast(**t)),
    "fm_broadcast both": ({**MACHINE, "u": halves(B, 4, K)}, lambda t: fm_broadcast_both(**t)),
    "gather_dequant": (
        {**ROWS, "default": floats(2, 1, 8), "out": torch.zeros(N, 2, 8)}, lambda t: gather_dequant(**t, wire=WIRE),
    ),
    "gather_dequant pool": (
        {"staging": ROWS["staging"], "slot": INDEX, "bag_offsets": OFFSETS, "default": floats(8)},
        lambda t: gather_dequant_pool(**t, wire=WIRE),
    ),
    "grouped_linear": ({"x": floats(N, 16)}, lambda t: grouped_linear(t["x"], PACKED.to(DEVICE))),
    "hamming_hist": (SIGNED, lambda t: hamming_hist(**t, bins=4)),
    "hamming_pool": ({**SIGNED, "v": floats(N, K), "weight": floats(65).abs()}, lambda t: hamming_pool(**t)),
    "hamming_pool moments": (
        {"b": WORDS, "v": floats(N, K), "kv_offsets": OFFSETS}, lambda t: history_moments(**t),
    ),
    "hamming_pool linear": (
        {"a": WORDS, "moments": floats(B, 64, K), "sums": floats(B, K), "cand_to_user": INDEX},
        lambda t: hamming_pool_linear(**t),
    ),
    "hamming_topk": (SIGNED, lambda t: hamming_topk(**t, k=2)),
    "hash_ids": (
        {
            "ids": torch.arange(N), "id_offsets": OFFSETS, "sizes": torch.tensor([9, 9]), "seeds": torch.tensor([1, 2]),
        },
        lambda t: hash_ids(**t),
    ),
    "jagged_unique": ({"keys": torch.arange(N)}, lambda t: jagged_unique(**t)),
    "rowwise_quant_fp8": ({"x": floats(N, K)}, lambda t: rowwise_quant_fp8(**t)),
    "rowwise_quant_fp8 linear": (
        {"x": floats(N, K), "bias": floats(H)},
        lambda t: fp8_linear(t["x"], Fp8Weight.prepare(floats(H, K).to(DEVICE)), t["bias"]),
    ),
    "sdim_pool": (
        {"a": WORDS, "means": floats(B, 16, 16, K), "cand_to_user": INDEX}, lambda t: sdim_pool(**t),
    ),
    "sdim_pool means": (
        {"b": WORDS, "v": floats(N, K), "kv_offsets": OFFSETS}, lambda t: bucket_means(**t, group_bits=4),
    ),
    "simhash_pack": ({"x": floats(N, K), "proj": floats(64, K)}, lambda t: simhash_pack(**t)),
    "target_attention": (ATTENTION, lambda t: target_attention(**t)),
    "target_attention ragged": (
        {
            **ATTENTION, "kv_offsets": OFFSETS, "kv_mask": torch.ones(N, dtype=torch.bool),
            "self_kv[0]": floats(N, 2, K), "self_kv[1]": floats(N, 2, K),
        },
        lambda t: target_attention(
            *_some(t, ATTENTION), kv_offsets=t["kv_offsets"], kv_mask=t["kv_mask"],
            self_kv=(t["self_kv[0]"], t["self_kv[1]"]),
        ),
    ),
}  # fmt: skip


def _some(given: Given, names: Given) -> list[torch.Tensor]:
    return [given[name] for name in names]


def spread(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, each with a stranger behind it."""
    return torch.stack([tensor, tensor], dim=-1)[..., 0]


def test_every_op_is_held_to_it() -> None:
    assert {name.split()[0] for name in CALLS} == {path.parent.name for path in KERNELS.glob("*/op.py")}


@pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)
@pytest.mark.parametrize("name", CALLS)
def test_strides_within_a_row_are_refused_with_the_name_and_the_way_out(
    name: str, backend: Backend, device: torch.device
) -> None:
    given, call = CALLS[name]
    given = {key: tensor.to(device) for key, tensor in given.items()}
    call(given)
    for key, tensor in given.items():
        with pytest.raises(ValueError, match=r"strides \[.*2\]; allowed is a contiguous last dimension") as caught:
            call({**given, key: spread(tensor)})
        assert str(caught.value).startswith(f"{key} has strides"), caught.value
        assert str(caught.value).endswith("call .contiguous()")


@pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)
@pytest.mark.parametrize("name", CALLS)
def test_another_number_of_dimensions_is_refused_by_name(name: str, backend: Backend, device: torch.device) -> None:
    given, call = CALLS[name]
    given = {key: tensor.to(device) for key, tensor in given.items()}
    for key, tensor in given.items():
        for other in (tensor.flatten()[0], tensor[None, None]):
            with pytest.raises(ValueError, match=f"^{re.escape(key)} is \\[.*\\]; expected \\["):
                call({**given, key: other})


@pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_tensor_is_refused_by_name(name: str, backend: Backend, device: torch.device) -> None:
    given, call = CALLS[name]
    given = {key: tensor.to(device) for key, tensor in given.items()}
    others = {"a list": [1.0], "a float": 1.0, "a numpy.ndarray": np.zeros((2, 2), np.float32)}
    for key in given:
        for kind, other in others.items():
            with pytest.raises(TypeError, match=f"^{re.escape(key)} is {kind}; a torch.Tensor is expected$"):
                call({**given, key: other})


@pytest.mark.parametrize("name", CALLS)
def test_none_is_refused_by_name(name: str) -> None:
    given, call = CALLS[name]
    first = next(iter(given))  # the others may be left out here and there
    with pytest.raises(TypeError, match=f"^{first} is None; a torch.Tensor is expected$"):
        call({**given, first: None})


def test_weights_that_are_no_tensors_are_refused_by_name() -> None:
    for make, name in (
        (lambda: PackedLinears.pack([[1.0]]), "weights[0]"),  # type: ignore[list-item]
        (lambda: PackedLinears.pack([floats(2, 2)], [[1.0]]), "biases[0]"),  # type: ignore[list-item]
        (lambda: Fp8Weight.prepare([1.0]), "weight"),  # type: ignore[arg-type]
        (lambda: prepare_lce_weights([1.0], 0), "weight"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=f"^{re.escape(name)} is a list; a torch.Tensor is expected$"):
            make()


# The tensor that has a row, or an end, for each request, and as much of it as is left without any.
NONE_LEFT = {
    "broadcast_lce": ("request", 0), "broadcast_linear": ("request", 0), "broadcast_linear fp8": ("request", 0),
    "fm_broadcast": ("t", 0), "fm_broadcast both": ("t", 0), "hamming_hist": ("kv_offsets", 1),
    "hamming_pool": ("kv_offsets", 1), "hamming_topk": ("kv_offsets", 1), "sdim_pool": ("means", 0),
    "target_attention": ("user_offsets", 1),
}  # fmt: skip


@pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)
@pytest.mark.parametrize("name", NONE_LEFT)
def test_candidates_of_no_request_are_refused(name: str, backend: Backend, device: torch.device) -> None:
    given, call = CALLS[name]
    given = {key: tensor.to(device) for key, tensor in given.items()}
    key, left = NONE_LEFT[name]
    with pytest.raises(ValueError, match=f"^{key} has no [a-z]+; {N} candidates ask for one"):
        call({**given, key: given[key][:left]})


def test_moments_and_tables_of_nobody_are_refused() -> None:
    given, call = CALLS["hamming_pool linear"]
    with pytest.raises(ValueError, match=f"moments has no users; {N} candidates ask for one"):
        call({**given, "moments": given["moments"][:0], "sums": given["sums"][:0]})
    given, call = CALLS["hash_ids"]
    nothing = {"id_offsets": OFFSETS[:1], "sizes": given["sizes"][:0], "seeds": given["seeds"][:0]}
    with pytest.raises(ValueError, match=f"sizes is empty; {N} ids ask for a table"):
        call({**given, **nothing})


@pytest.mark.parametrize(
    ("name", "key"),
    [("target_attention", "user_offsets"), ("hamming_pool", "kv_offsets"), ("gather_dequant pool", "bag_offsets")],
)
def test_offsets_without_a_beginning_are_refused(name: str, key: str) -> None:
    given, call = CALLS[name]
    with pytest.raises(ValueError, match=f"{key} is empty; it has one more element than there are"):
        call({**given, key: OFFSETS[:0]})


@pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)
def test_a_buffer_that_begins_askew_is_refused(backend: Backend, device: torch.device) -> None:
    buffer = torch.zeros(LAYOUT.num_bytes + 8, dtype=torch.uint8, device=device)
    with pytest.raises(ValueError, match=r"buffer begins 8 bytes past a multiple of 16; call \.clone\(\)"):
        unpack_tuples(buffer[8:], LAYOUT)


@pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)
@pytest.mark.parametrize("name", ["broadcast_linear", "simhash_pack", "hamming_hist", "hamming_topk", "fm_broadcast"])
def test_rows_may_stand_apart(name: str, backend: Backend, device: torch.device) -> None:
    given, call = CALLS[name]
    given = {key: tensor.to(device) for key, tensor in given.items()}
    expected = call(given)
    apart = {key: t if t.dim() == 1 else torch.stack([t, t], dim=-2)[..., 0, :] for key, t in given.items()}
    assert any(not tensor.is_contiguous() for tensor in apart.values())
    torch.testing.assert_close(call(apart), expected, rtol=1e-6, atol=1e-6)


def test_weights_are_packed_from_any_strides() -> None:
    weight = floats(16, 16)
    turned = weight.T.contiguous().T
    assert torch.equal(PackedLinears.pack([turned]).weight, PackedLinears.pack([weight]).weight)
    assert torch.equal(Fp8Weight.prepare(turned).values.float(), Fp8Weight.prepare(weight).values.float())


def test_a_row_of_one_has_no_strides_to_mind() -> None:
    column = floats(4, 5)[:, ::5]
    assert column.stride() == (5, 5)
    check_tensor("x", column, (4, 1), (torch.float32,), column.device)
    assert contiguous_rows(column, None, floats(2, 0, 3))
    assert not contiguous_rows(floats(3), floats(3, 4).T)
