import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inference.evaluation.metrics import bootstrap, log_losses, quality
from inference.evaluation.ratio import UNDEFINED, transfer_ratio


def gains(size: int, gain: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(size), 5)
    worse = rng.normal(0.5, 0.2, len(users))
    return users, worse, worse - gain - rng.normal(0.0, 0.05, len(users))


def test_predicting_the_base_rate_has_an_entropy_of_one_and_is_calibrated() -> None:
    labels = np.array([1.0, 0, 0, 0])
    measured = quality(labels, np.full(4, 0.25), np.zeros(4, dtype=np.int64), np.ones(4))
    assert measured.normalised_entropy == pytest.approx(1.0)
    assert measured.calibration == pytest.approx(1.0)
    assert measured.auc == pytest.approx(0.5)


def test_gauc_judges_order_within_users_only() -> None:
    labels = np.array([1.0, 0, 1, 0])
    predictions = np.array([0.9, 0.8, 0.2, 0.1])  # right within both users, though not across them
    measured = quality(labels, predictions, np.array([0, 0, 1, 1]), np.ones(4))
    assert measured.gauc == 1.0
    assert measured.auc == 0.75


def test_gauc_is_the_mean_of_each_users_auc_ties_and_weights_included() -> None:
    rng = np.random.default_rng(0)
    users = rng.integers(0, 40, 400)
    labels = (rng.random(400) < 0.3).astype(float)
    predictions = rng.integers(0, 6, 400) / 6
    weights = rng.uniform(0.5, 2.0, 400)
    parts = [users == user for user in range(40) if 0 < labels[users == user].mean() < 1]
    each = [roc_auc_score(labels[part], predictions[part], sample_weight=weights[part]) for part in parts]
    expected = np.average(each, weights=[weights[part].sum() for part in parts])
    assert quality(labels, predictions, users, weights).gauc == pytest.approx(expected)


def test_weights_count_like_copies_of_rows() -> None:
    labels, predictions, users = np.array([1.0, 0, 0]), np.array([0.7, 0.2, 0.6]), np.array([0, 0, 1])
    copied = np.array([0, 1, 1, 2])
    weighted = quality(labels, predictions, users, np.array([1.0, 2, 1]))
    plain = quality(labels[copied], predictions[copied], users[copied], np.ones(4))
    assert weighted.as_dict() == plain.as_dict()


def test_one_label_only_has_no_auc_and_is_null_in_json() -> None:
    measured = quality(np.zeros(3), np.full(3, 0.1), np.arange(3), np.ones(3))
    assert measured.as_dict()["auc"] is None
    assert measured.as_dict()["gauc"] is None


def test_certain_and_wrong_costs_much_but_not_infinity() -> None:
    assert np.isfinite(log_losses(np.array([1.0]), np.array([0.0]))).all()


def test_the_interval_is_over_users_so_copies_of_a_users_rows_do_not_narrow_it() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=30)
    one = bootstrap(lambda m: float(m[0]), values[:, None], np.arange(30), np.ones(30))
    many = bootstrap(lambda m: float(m[0]), np.repeat(values, 50)[:, None], np.repeat(np.arange(30), 50), np.ones(1500))
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.2)


def test_a_transfer_ratio_is_the_share_of_a_certain_gain() -> None:
    users, plain, foundation = gains(200, 0.04)
    enriched = plain - 0.5 * (plain - foundation)
    weights = np.ones(len(users))
    gain = bootstrap(lambda m: float(m[0] - m[1]), np.stack([plain, foundation], 1), users, weights)
    ratio = transfer_ratio(plain, enriched, foundation, users, weights, gain)
    assert isinstance(ratio, dict)
    assert ratio["value"] == pytest.approx(0.5)


def test_a_transfer_ratio_of_an_uncertain_or_negative_gain_is_undefined() -> None:
    for size, true_gain in ((10, 0.0), (200, -0.04)):
        users, plain, foundation = gains(size, true_gain)
        weights = np.ones(len(users))
        gain = bootstrap(lambda m: float(m[0] - m[1]), np.stack([plain, foundation], 1), users, weights)
        assert transfer_ratio(plain, plain, foundation, users, weights, gain) == UNDEFINED
