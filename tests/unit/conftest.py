"""What the tests of kernels and forward pass need, with torch, Triton, numpy and pytest alone (`make test-gpu`).

Nothing here imports more; the whole suite has `tests/conftest.py` above it.
"""

from collections.abc import Iterator
from contextlib import suppress

import pytest
import torch

from tests.interpreter import interpret_triton

ON_A_GPU = torch.cuda.is_available()
if not ON_A_GPU:
    interpret_triton()
with suppress(ImportError):  # Hypothesis, which a GPU machine may have
    import tests.reproducible  # noqa: F401


@pytest.fixture(autouse=ON_A_GPU)
def _a_lost_gpu_ends_the_run() -> Iterator[None]:
    """After an illegal access every later call fails: the test that made it is the last one, and is named."""
    yield
    try:
        torch.cuda.synchronize()
    except RuntimeError as error:
        pytest.exit(f"the GPU was lost: {error}", returncode=1)
