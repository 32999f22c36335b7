"""The Triton form against the definition in float64."""

import pytest
import torch

from kernels.grouped_linear.kernel import CONFIGS, FP32_CONFIGS, Config, config_for, grouped_linear_triton
from kernels.grouped_linear.op import fuses, grouped_linear
from kernels.grouped_linear.packed import TILES, PackedLinears, tile_for
from tests.unit.kernels.close import TOLERANCE, assert_close
from tests.unit.kernels.grouped_linear.groups import Groups

TINY = Config(16, 32, 16, 4, 2)
SHAPES = [
    [(1, 1)],
    [(24, 40), (7, 3), (33, 16)],
    [(16, 32), (48, 16), (32, 48), (16, 16)],  # multiples of 16 throughout
    [(8, 8)] * 5,
    [(1, 50), (70, 1)],
]


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("n", [1, 37])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_it_is_the_groups_one_after_the_other(
    shapes: list[tuple[int, int]], n: int, dtype: torch.dtype, device: torch.device
) -> None:
    groups = Groups(shapes, dtype, device)
    x = groups.rows(n)
    assert_close(grouped_linear_triton(x, groups.packed(tile=32), TINY), groups.exact(x))


@pytest.mark.parametrize("shapes", [[(24, 40), (40, 24)], [(64, 128), (32, 100)], [(8, 70), (100, 64)]], ids=str)
def test_the_shipped_tiles_agree(shapes: list[tuple[int, int]], device: torch.device) -> None:
    groups = Groups(shapes, torch.float32, device)
    x = groups.rows(70)
    assert_close(grouped_linear(x, groups.packed()), groups.exact(x))


def test_programs_that_take_several_tiles_write_all_of_them(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernels.grouped_linear.kernel.PROGRAMS", 3)
    groups = Groups([(24, 40), (7, 3)], torch.float32, device)
    x = groups.rows(50)
    assert_close(grouped_linear_triton(x, groups.packed(tile=32), TINY), groups.exact(x))


def test_a_group_does_not_see_the_others(device: torch.device) -> None:
    groups = Groups([(24, 40), (7, 3), (33, 16)], torch.float32, device)
    x, packed = groups.rows(20), groups.packed(tile=32)
    whole = grouped_linear_triton(x, packed, TINY)
    changed = x.clone()
    changed[:, 24:31] = float("nan")  # the second group's
    others = [*range(40), *range(43, 59)]
    torch.testing.assert_close(
        grouped_linear_triton(changed, packed, TINY)[:, others], whole[:, others], rtol=0, atol=0
    )


def test_a_row_does_not_see_the_others(device: torch.device) -> None:
    groups = Groups([(24, 40), (7, 3)], torch.float32, device)
    x, packed = groups.rows(33), groups.packed(tile=32)
    some = grouped_linear_triton(x[::2].contiguous(), packed, TINY)
    torch.testing.assert_close(some, grouped_linear_triton(x, packed, TINY)[::2], rtol=0, atol=0)


def test_rows_with_something_between_them_are_read_as_they_are(device: torch.device) -> None:
    groups = Groups([(24, 40), (7, 3)], torch.float32, device)
    wide = groups.normal(9, 40)
    x = wide[:, 5:36]
    assert_close(grouped_linear_triton(x, groups.packed(tile=32), TINY), groups.exact(x))


def test_no_rows_give_no_rows(device: torch.device) -> None:
    groups = Groups([(24, 40), (7, 3)], torch.float32, device)
    assert grouped_linear(groups.rows(0), groups.packed()).shape == (0, 43)


def test_every_tile_has_a_configuration() -> None:
    for itemsize, configs in ((2, CONFIGS), (4, FP32_CONFIGS)):
        assert {config_for(tile, itemsize) for tile in TILES} == set(configs.values())


def test_a_tile_is_as_large_as_its_padding_allows() -> None:
    assert tile_for([256] * 4) == 128
    assert tile_for([128, 64, 32] * 4) == 64  # 128 would compute 1.7 outputs for each that is wanted
    assert tile_for([64] * 3) == 64
    assert tile_for([8] * 16) == 32


def test_the_library_takes_equal_groups_and_large_ones() -> None:
    assert not fuses([64], [32])
    assert not fuses([64] * 16, [32] * 16)
    assert not fuses([64, 2048], [32, 512])
    assert fuses([64, 32], [32, 32])


def test_what_does_not_fit_is_named(device: torch.device) -> None:
    groups = Groups([(24, 40), (7, 3)], torch.float32, device)
    packed, weights, biases = groups.packed(), groups.weights, groups.biases
    with pytest.raises(ValueError, match=r"x is \[4, 30\]; expected \['any', 31\]"):
        grouped_linear(groups.normal(4, 30), packed)
    with pytest.raises(ValueError, match="x is float16; allowed is float32"):
        grouped_linear(groups.rows(4).half(), packed)
    with pytest.raises(ValueError, match="weights is empty"):
        PackedLinears.pack([])
    with pytest.raises(ValueError, match="2 weights, 1 biases, 2 activations"):
        PackedLinears.pack(weights, biases[:1])
    with pytest.raises(ValueError, match=r"weights\[1\] is float16; allowed is float32"):
        PackedLinears.pack([weights[0], weights[1].half()])
    with pytest.raises(ValueError, match=r"biases\[0\] is \[3\]; expected \[40\]"):
        PackedLinears.pack(weights, biases[::-1])
    with pytest.raises(ValueError, match=r"activations\[0\] is 'gelu'; allowed are none, relu, silu, hardswish"):
        PackedLinears.pack(weights, biases, "gelu")
    with pytest.raises(ValueError, match=r"weights\[0\] is \[0, 4\]; expected no empty dimension"):
        PackedLinears.pack([torch.zeros(0, 4, device=device)])
