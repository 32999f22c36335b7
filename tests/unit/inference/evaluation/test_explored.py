"""Quality on the slots that chance filled."""

from dataclasses import replace

import numpy as np
import pytest

from inference.evaluation.explored import MIN_CLICKS, judge_explored
from inference.evaluation.metrics import quality
from inference.evaluation.report import table
from inference.synthetic.config import WorldConfig
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.dataset import Dataset

CONFIG = WorldConfig(num_items=60, num_users=60, requests_per_user=10, num_categories=6, uniform_share=0.4)
REPORT = {
    "rows": 1, "users": 1, "slots": "all", "rate": 0.1, "quality": {}, "gains": {}, "transfer_ratio": "undefined",
}  # fmt: skip


@pytest.fixture(scope="module")
def data() -> Dataset:
    return log_to_dataset(World(1, CONFIG).past(1_790_000_000_000), 16)


def test_only_the_slots_filled_by_chance_are_judged(data: Dataset) -> None:
    """What is predicted elsewhere changes nothing."""
    wrong = np.where(data.uniform, data.oracle, 1 - data.oracle).astype(float)
    report = judge_explored(data, {"ceiling": data.oracle.astype(float), "wrong elsewhere": wrong})
    flags = data.uniform
    assert report["rows"] == flags.sum()
    assert report["clicks"] == data.clicked[flags].sum() >= MIN_CLICKS
    assert report["quality"]["wrong elsewhere"] == report["quality"]["ceiling"]
    users = data.request_user[data.cand_request][flags]
    ones = np.ones(flags.sum())
    assert (
        report["quality"]["ceiling"] == quality(data.clicked[flags].astype(float), wrong[flags], users, ones).as_dict()
    )
    assert report["quality"]["ceiling"]["calibration"] == pytest.approx(1.0, abs=0.15)
    assert report["quality"]["ceiling"]["normalised_entropy"] < 1
    text = table(REPORT | {"explored": report})
    assert f"in slots filled by chance: {report['rows']} rows, {report['clicks']} clicks" in text
    assert "wrong elsewhere" in text


def test_what_the_policy_showed_flatters_and_chance_does_not(data: Dataset) -> None:
    """The old policy shows what it thinks is clicked: the rate on its own slots is higher than on those by chance."""
    assert data.clicked[~data.uniform].mean() > 1.2 * data.clicked[data.uniform].mean()


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_too_few_slots_are_said_and_not_judged(data: Dataset, share: float) -> None:
    few = replace(data, uniform=data.uniform & (np.random.default_rng(0).random(len(data.uniform)) < share))
    report = judge_explored(few, {"ceiling": data.oracle.astype(float)})
    assert "quality" not in report
    assert report["rows"] == few.uniform.sum()
    assert "; 200 rows and 30 clicks are needed to judge by them" in table(REPORT | {"explored": report})


def test_many_slots_without_enough_clicks_are_too_few(data: Dataset) -> None:
    none = replace(data, clicked=np.zeros_like(data.clicked))
    assert "too_few" in judge_explored(none, {"ceiling": data.oracle.astype(float)})
