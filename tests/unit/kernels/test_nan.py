"""NaN in one candidate, or in one request, is NaN there and nowhere else, in every op that takes floats and in both
of its forms: what a float spoils must show, and must not spread."""

import pytest
import torch

from kernels.backend import Backend
from kernels.broadcast_linear.op import broadcast_linear
from kernels.broadcast_linear.reference import ACTIVATIONS
from kernels.grouped_linear.op import grouped_linear
from kernels.grouped_linear.packed import PackedLinears
from tests.unit.kernels.maximum import like_a_gpu
from tests.unit.kernels.test_checks import CALLS, KERNELS, LINEAR, OFFSETS, B, N

# What the interpreter's own arithmetic says of it.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|All-NaN slice) encountered:RuntimeWarning")
BOTH = pytest.mark.parametrize("backend", ["reference", "triton"], indirect=True)
CANDIDATE, REQUEST = 4, 1
E4M3_NAN = 0x7F
# Of the calls of `test_checks.py`: the tensors with a row for each candidate, and those with rows for each request.
BY_CANDIDATE = {
    "broadcast_lce": ["x"],
    "broadcast_linear": ["x"],
    "broadcast_linear cross": ["x", "epilogue.x0", "epilogue.x"],
    "broadcast_linear normed": ["x", "epilogue.rstd", "epilogue.mean"],
    "broadcast_linear fp8": ["x", "x_scale"],
    "fm_broadcast": ["c"],
    "fm_broadcast both": ["c"],
    "grouped_linear": ["x"],
    "rowwise_quant_fp8": ["x"],
    "rowwise_quant_fp8 linear": ["x"],
    "simhash_pack": ["x"],
    "target_attention": ["q"],
    "target_attention ragged": ["q", "self_kv[0]", "self_kv[1]"],
}
BY_REQUEST = {
    "broadcast_lce": ["request"],
    "broadcast_linear": ["request"],
    "broadcast_linear cross": ["request"],
    "broadcast_linear normed": ["request"],
    "broadcast_linear fp8": ["request"],
    "fm_broadcast": ["t"],
    "fm_broadcast both": ["t", "u"],
    "hamming_pool": ["v"],
    "hamming_pool moments": ["v"],
    "hamming_pool linear": ["moments", "sums"],
    "sdim_pool": ["means"],
    "sdim_pool means": ["v"],
    "target_attention": ["k", "v"],
    "target_attention ragged": ["k", "v"],
}
# The rows that a NaN in gather_dequant spoils are tested beside its formats; these take no floats, or read none.
ELSEWHERE = {"gather_dequant"}
NO_FLOATS = {"compact_tuples", "hamming_hist", "hamming_topk", "hash_ids", "jagged_unique"}


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    like_a_gpu(monkeypatch)


def rows_of(tensor: torch.Tensor, by_request: bool) -> torch.Tensor:
    """Which of its rows are the candidate's, or the request's: a row for each request, or as many as OFFSETS says."""
    rows = torch.zeros(tensor.shape[0], dtype=torch.bool, device=tensor.device)
    if not by_request:
        rows[CANDIDATE] = True
    elif tensor.shape[0] == B:
        rows[REQUEST] = True
    else:
        assert tensor.shape[0] == N
        rows[OFFSETS[REQUEST] : OFFSETS[REQUEST + 1]] = True
    return rows


def tensors(result: object) -> list[torch.Tensor]:
    """Those that a call returned."""
    return [each for each in (result if isinstance(result, tuple) else (result,)) if isinstance(each, torch.Tensor)]


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """Of 8-bit floats the bytes: PyTorch neither compares nor fills them."""
    return tensor.view(torch.uint8) if tensor.element_size() == 1 else tensor


def test_every_op_that_takes_floats_is_held_to_it() -> None:
    held = {name.split()[0] for name in (*BY_CANDIDATE, *BY_REQUEST)}
    assert held | ELSEWHERE | NO_FLOATS == {path.parent.name for path in KERNELS.glob("*/op.py")}


@BOTH
@pytest.mark.parametrize(
    ("name", "key", "by_request"),
    [
        *((name, key, False) for name, keys in BY_CANDIDATE.items() for key in keys),
        *((name, key, True) for name, keys in BY_REQUEST.items() for key in keys),
    ],
)
def test_nan_stays_where_it_is(name: str, key: str, by_request: bool, backend: Backend, device: torch.device) -> None:
    given, call = CALLS[name]
    given = {known: tensor.to(device) for known, tensor in given.items()}
    poisoned = given[key].clone()
    bits(poisoned)[rows_of(poisoned, by_request)] = E4M3_NAN if poisoned.element_size() == 1 else float("nan")
    shown = []
    for old, new in zip(tensors(call(given)), tensors(call({**given, key: poisoned})), strict=True):
        spoilt = rows_of(new, by_request)
        torch.testing.assert_close(bits(new)[~spoilt], bits(old)[~spoilt], rtol=0, atol=0)
        if new.is_floating_point() and new.element_size() > 1:
            shown.append(all(row.isnan().any() for row in new[spoilt]))
    assert any(shown) or name == "simhash_pack"  # of which only signs are left


@BOTH
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_activation_loses_it(activation: str, backend: Backend, device: torch.device) -> None:
    given = {key: tensor.to(device) for key, tensor in LINEAR.items()}
    given["x"][CANDIDATE] = float("nan")
    packed = PackedLinears.pack([torch.ones(n, 8, device=device) for n in (8, 16)], activations=activation)
    for out in (broadcast_linear(*given.values(), activation=activation), grouped_linear(given["x"], packed)):
        assert torch.equal(out.isnan().all(1), rows_of(out, by_request=False))
        assert torch.equal(out.isnan().any(1), rows_of(out, by_request=False))
