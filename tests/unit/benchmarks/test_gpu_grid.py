"""A run on a GPU is short and rare: every case of its grid has been called before, on a fake one."""

import pytest

from benchmarks.kernels.registry import op_cases
from tests.fake_gpu import CUDA
from tests.rehearsal import grid_ops, shapes_by_way


@pytest.mark.parametrize("op", grid_ops())
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_every_way_of_every_case_can_be_called(op: str) -> None:
    for case in op_cases(op, CUDA):
        shapes = shapes_by_way(case)
        assert len(set(shapes.values())) == 1, f"{case.op} {case.shape}: {shapes}"
