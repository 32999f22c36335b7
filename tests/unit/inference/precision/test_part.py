"""Log losses of a part by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.evaluation.metrics import log_losses
from inference.precision.heldout import Heldout, heldout_batches
from inference.precision.part import Part, enough_conversions
from inference.precision.source import heldout_data
from inference.protocol import RankInputs
from inference.release import load_release
from inference.training.source import Source

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def batches(trained: Path) -> Sequence[Heldout]:
    release = load_release(trained)
    return heldout_batches(release, heldout_data(release, Source.SYNTHETIC), 200)


def even(inputs: RankInputs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(inputs.num_candidates), torch.zeros(inputs.num_candidates)


def test_clicks_count_in_their_places_and_conversions_among_the_clicked(batches: Sequence[Heldout]) -> None:
    part = Part(batches, even, 1.0, judges_conversion=True)
    positions, clicked, weight, converted, judged = (
        torch.cat([getattr(batch, name) for batch in batches]).double().numpy()
        for name in ("positions", "clicked", "weight", "converted", "conversion_weight")
    )
    click = np.average(log_losses(clicked, 1 / (1 + np.exp(-positions))), weights=weight)
    assert part.log_losses() == pytest.approx((click, np.log(2)))  # of a conversion even odds are assumed
    moved = part.exact + torch.tensor([[0.0], [1.0]])
    found = part.changes(moved)
    expected = np.average(log_losses(converted, np.full(len(converted), 1 / (1 + np.exp(-1.0)))), weights=judged)
    assert found.conversion is not None
    assert found.conversion.value == pytest.approx(expected / np.log(2) - 1)
    assert (found.click.value, found.click.error) == (0, 0)
    assert part.changes(moved, moved).bound == 0
    assert (judged <= clicked).all()
    assert judged.sum() > 0


def test_a_nan_is_not_lost(batches: Sequence[Heldout]) -> None:
    part = Part(batches, even, 1.0, judges_conversion=True)
    for head in (0, 1):
        broken = part.exact.clone()
        broken[head, -1] = float("nan")
        assert part.changes(broken).bound != part.changes(broken).bound


def test_conversions_are_judged_where_every_part_has_enough(batches: Sequence[Heldout]) -> None:
    assert enough_conversions([batches, batches])
    assert not enough_conversions([batches, []])
    part = Part(batches, even, 1.0, judges_conversion=False)
    assert part.changes(part.exact).conversion is None
    assert part.log_losses()[1] is None
