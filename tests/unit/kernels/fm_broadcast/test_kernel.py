"""The Triton forms against the block over all embeddings in float64, and what every op over shared requests keeps."""

import pytest
import torch

from kernels.fm_broadcast.kernel import Config, fm_broadcast_both_triton, fm_broadcast_triton
from kernels.fm_broadcast.op import fm_broadcast, fm_broadcast_both
from tests.unit.kernels.close import TOLERANCE, assert_close
from tests.unit.kernels.ragged import candidate_index

SINGLE = Config(16, 2, 4, 1)
PACKED = Config(16, 1, 4, 1)
SPLITS = [[7], [0, 5, 0, 9, 1], [1] * 9, [3, 0]]

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(
    counts: list[int], nc: int, d: int, k: int, dtype: torch.dtype, device: torch.device, nu: int = 11
) -> Inputs:
    """`c`, `y_c`, `u`, `y_u`, the requests' part `t` rounded to the dtype, and the index."""
    generator = torch.Generator().manual_seed(nc * d + k)
    index, _ = candidate_index(counts, device)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device, dtype)

    u, y_u = normal(len(counts), nu, d), normal(nu, k)
    t = (u.double().transpose(1, 2) @ y_u.double()).to(dtype)
    return normal(len(index), nc, d), normal(nc, k), u, y_u, t, index


def exact(c: torch.Tensor, y_c: torch.Tensor, u: torch.Tensor, t: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Materialised: every candidate carries its request's embeddings and its part. Rows of U, then of C."""
    x = torch.cat([u.double()[index.long()], c.double()], dim=1)
    return x @ (c.double().transpose(1, 2) @ y_c.double() + t.double()[index.long()])


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("nc", "d", "k"), [(1, 1, 1), (5, 20, 9), (16, 64, 16)])
@pytest.mark.parametrize("counts", SPLITS, ids=str)
@pytest.mark.parametrize("config", [SINGLE, PACKED], ids=["single", "packed"])
def test_it_is_the_materialised_block(
    config: Config, counts: list[int], nc: int, d: int, k: int, dtype: torch.dtype, device: torch.device
) -> None:
    c, y_c, u, _, t, index = inputs(counts, nc, d, k, dtype, device)
    out = fm_broadcast_triton(c, y_c, t, index, config)
    assert_close(out, exact(c, y_c, u, t, index)[:, -nc:])


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("nu", [1, 70])
def test_the_rows_of_the_request_see_the_candidate(nu: int, dtype: torch.dtype, device: torch.device) -> None:
    c, y_c, u, _, t, index = inputs([3, 0, 4], 5, 20, 9, dtype, device, nu)
    out_c, out_u = fm_broadcast_both_triton(c, y_c, t, u, index, SINGLE)
    expected = exact(c, y_c, u, t, index)
    assert_close(out_u, expected[:, :nu])
    assert_close(out_c, expected[:, nu:])


def test_it_is_the_factorisation_machine_over_all_embeddings(device: torch.device) -> None:
    c, y_c, u, y_u, _, index = inputs([3, 4], 5, 20, 9, torch.float32, device)
    t = u.transpose(1, 2) @ y_u
    x = torch.cat([u.double()[index.long()], c.double()], dim=1)
    y = torch.cat([y_u, y_c]).double()
    out_c, out_u = fm_broadcast_both(c, y_c, t, u, index)
    assert_close(torch.cat([out_u, out_c], dim=1), x @ x.transpose(1, 2) @ y, 1e-5)


@pytest.mark.parametrize("nc", [1, 20, 33, 65, 129])
def test_every_number_of_rows_has_a_shipped_form(nc: int, device: torch.device) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        c, y_c, u, _, t, index = inputs([2, 3], nc, 24, 9, dtype, device)
        assert_close(fm_broadcast(c, y_c, t, index), exact(c, y_c, u, t, index)[:, -nc:])


def test_strided_embeddings_are_read_where_they_lie(device: torch.device) -> None:
    c, y_c, u, _, t, index = inputs([6], 16, 24, 9, torch.float32, device)
    part = c[:, 2:9]
    assert_close(fm_broadcast(part, y_c[2:9], t, index), exact(part, y_c[2:9], u, t, index)[:, -7:])


@pytest.mark.parametrize("config", [SINGLE, PACKED], ids=["single", "packed"])
def test_requests_together_are_requests_apart(config: Config, device: torch.device) -> None:
    c, y_c, _, _, t, index = inputs([5, 0, 4], 4, 20, 9, torch.float32, device)
    together = fm_broadcast_triton(c, y_c, t, index, config)
    apart = [
        fm_broadcast_triton(c[index == b], y_c, t[b : b + 1], torch.zeros_like(index[index == b]), config)
        for b in range(3)
    ]
    assert_close(together, torch.cat(apart).double())


@pytest.mark.parametrize("config", [SINGLE, PACKED], ids=["single", "packed"])
def test_a_candidate_does_not_see_the_others(config: Config, device: torch.device) -> None:
    c, y_c, _, _, t, index = inputs([5, 4], 4, 20, 9, torch.float32, device)
    before = fm_broadcast_triton(c, y_c, t, index, config)
    c[1::2] = float("nan")  # multiplied by zero it would still show
    after = fm_broadcast_triton(c, y_c, t, index, config)
    torch.testing.assert_close(after[::2], before[::2], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("config", [SINGLE, PACKED], ids=["single", "packed"])
def test_a_request_does_not_see_the_others(config: Config, dtype: torch.dtype, device: torch.device) -> None:
    """Of requests that meet in one tile."""
    c, y_c, _, _, t, index = inputs([5, 1, 3], 4, 20, 9, dtype, device)
    before = fm_broadcast_triton(c, y_c, t, index, config)
    t[1] = float("nan")
    after = fm_broadcast_triton(c, y_c, t, index, config)
    torch.testing.assert_close(after[index != 1], before[index != 1], rtol=0, atol=0)
    assert after[index == 1].isnan().all()


def test_no_candidates_give_no_rows(device: torch.device) -> None:
    c, y_c, u, _, t, index = inputs([0, 0], 5, 20, 9, torch.float32, device)
    assert fm_broadcast(c, y_c, t, index).shape == (0, 5, 9)
    assert [out.shape for out in fm_broadcast_both(c, y_c, t, u, index)] == [(0, 5, 9), (0, 11, 9)]


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    c, y_c, u, _, t, index = inputs([2, 2], 5, 20, 9, torch.float32, device)
    with pytest.raises(ValueError, match=r"y_c is \[4, 9\]; expected \[5, 'any'\]"):
        fm_broadcast(c, y_c[:4], t, index)
    with pytest.raises(ValueError, match="t is float16; allowed is float32"):
        fm_broadcast(c, y_c, t.half(), index)
    with pytest.raises(ValueError, match=r"u is \[1, 11, 20\]; expected \[2, 'any', 20\]"):
        fm_broadcast_both(c, y_c, t, u[:1], index)
    with pytest.raises(ValueError, match="cand_to_user is int64; allowed is int32"):
        fm_broadcast(c, y_c, t, index.long())
