"""Which form runs for which sizes, and where the break-even lies."""

import pytest

from kernels.broadcast_linear.dispatch import BYTES_PER_S, PEAK_FLOPS, Form, break_even_k, form_for
from kernels.broadcast_linear.roofline import BroadcastLinearWork
from kernels.roofline import Ceilings


@pytest.mark.parametrize(("efficiency", "k"), [(0.8, 1465), (0.9, 3297)])
def test_the_break_even_follows_from_the_data_sheet(efficiency: float, k: float) -> None:
    assert break_even_k(efficiency) == pytest.approx(k, rel=1e-3)


def test_without_matrix_units_the_library_wins_earlier() -> None:
    assert break_even_k(itemsize=4) == pytest.approx(248, abs=1)


@pytest.mark.parametrize("efficiency", [0.5, 0.8, 0.95])
def test_both_ways_take_as_long_at_the_break_even(efficiency: float) -> None:
    peak, bandwidth, num_outputs = PEAK_FLOPS[2], BYTES_PER_S, 10_000 * 1024
    k = break_even_k(efficiency)
    library_s = num_outputs * (2 * k / peak + 2 * 2 / bandwidth)  # its output is written and read once more
    ours_s = num_outputs * 2 * k / (efficiency * peak)
    assert ours_s == pytest.approx(library_s)


@pytest.mark.parametrize(
    ("b", "k", "finishing", "cancelling", "form"),
    [
        (1, 256, False, False, Form.LIBRARY),
        (1, 8192, False, False, Form.LIBRARY),
        (1, 256, True, False, Form.FUSED),
        (1, 8192, True, False, Form.SPLIT),
        (2, 256, False, False, Form.FUSED),
        (2, 8192, False, False, Form.SPLIT),
        (2, 8192, True, False, Form.SPLIT),
        (2, 8192, True, True, Form.FUSED),
    ],
)
def test_the_form_follows_requests_and_depth(b: int, k: int, finishing: bool, cancelling: bool, form: Form) -> None:
    assert form_for(b, k, 2, finishing, cancelling) is form


def test_the_work_turns_from_memory_to_arithmetic_with_its_depth() -> None:
    h200 = Ceilings(790e12, 4.3e12)
    assert h200.bound(BroadcastLinearWork(10_000, 128, 1024, 1)) == "memory"
    assert h200.bound(BroadcastLinearWork(10_000, 1024, 1024, 1)) == "compute"
    shallow = BroadcastLinearWork(10_000, 256, 1024, 1)
    assert shallow.flops == 2 * 10_000 * 256 * 1024 + 10_000 * 1024
    assert shallow.bytes_moved == 2 * (10_000 * 256 + 256 * 1024 + 1024 + 10_000 * 1024) + 4 * 10_000
