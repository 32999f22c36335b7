"""A release that was really trained, small as it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other at every small product take ten times as long beside other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle; whoever writes into it copies it."""
    from inference.training.synthetic_release import (
        train_synthetic,
    )  # not at the top: a GPU machine has no more than torch

    return train_synthetic(tmp_path_factory.mktemp("trained"), quick=True).location
