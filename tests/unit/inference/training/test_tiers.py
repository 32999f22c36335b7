import numpy as np
import pytest

from inference.protocol import Tier
from inference.synthetic.config import WorldConfig
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.foundation import PairTable, PairTables
from inference.training.plan import TrainingPlan
from inference.training.tiers import TierSource, missing_shares

DATA = log_to_dataset(
    World(0, WorldConfig(num_items=60, num_users=10, requests_per_user=6, num_categories=6)).past(1_790_000_000_000), 4
)


def source() -> TierSource:
    rng = np.random.default_rng(0)
    present = np.isin(DATA.cand_request, np.arange(DATA.num_requests // 2, DATA.num_requests))
    tables = [
        PairTable(
            np.where(present[:, None], rng.normal(size=(len(present), 8)), 0.0).astype(np.float32), present, age_s
        )
        for age_s in (np.zeros(len(present), np.float32), np.full(len(present), 60.0, np.float32))
    ]
    return TierSource(DATA, PairTables(*tables))


def test_rows_of_the_first_part_have_no_pair_row_and_the_miss_pattern_has_every_tier() -> None:
    tiers = source()
    pattern = tiers.draw(TrainingPlan(), np.random.default_rng(0))
    rows, tier, age_s = pattern.rows, pattern.tier, pattern.age_s
    assert (tier[~tiers.pairs.current.present] != Tier.PAIR).all()
    assert set(tier) == {Tier.PAIR, Tier.AGGREGATE, Tier.DEFAULT}
    assert (rows[tier == Tier.DEFAULT] == 0).all()
    assert (age_s[tier == Tier.DEFAULT] == 0).all()
    assert (age_s[tier == Tier.AGGREGATE] > 0).all()


def test_some_pair_rows_are_behind_and_within_a_request_some_may_be() -> None:
    tiers = source()
    pattern = tiers.draw(TrainingPlan(no_pair_share=0.0, pair_coverage=1.0), np.random.default_rng(0))
    exact = pattern.tier == Tier.PAIR
    behind = exact & (pattern.age_s > 0)
    assert set(pattern.age_s[exact]) == {0, 60}
    np.testing.assert_array_equal(pattern.rows[behind], tiers.pairs.behind.rows[behind])
    np.testing.assert_array_equal(pattern.rows[exact & ~behind], tiers.pairs.current.rows[exact & ~behind])
    shares = [behind[exact & (DATA.cand_request == r)].mean() for r in np.unique(DATA.cand_request[exact])]
    assert {0.0, 1.0} < set(shares)


def test_an_item_without_a_row_has_no_pair_representation() -> None:
    pattern = source().draw(TrainingPlan(item_dropout=0.3), np.random.default_rng(0))
    assert set(pattern.tier[~pattern.item]) == {Tier.DEFAULT}
    assert set(pattern.tier[pattern.item]) == {Tier.PAIR, Tier.AGGREGATE, Tier.DEFAULT}


def test_items_miss_their_row_where_chance_chose_them_and_elsewhere_only_if_that_is_too_rare() -> None:
    rare, often, never = (np.arange(1000) < number for number in (10, 50, 0))
    for uniform in (rare, often, never):
        assert missing_shares(uniform, 0.02).mean() == pytest.approx(0.02, rel=1e-4)
    assert missing_shares(often, 0.02)[:50].mean() == pytest.approx(0.4)
    assert missing_shares(rare, 0.02)[:10].mean() == pytest.approx(0.5)


def test_an_aggregate_is_the_mean_of_the_same_users_request_before() -> None:
    tiers = source()
    everywhere = np.ones(len(DATA.cand_item), dtype=bool)
    pattern = tiers.compose(~everywhere, everywhere, ~everywhere, everywhere)
    requests = DATA.cand_request
    at = int(np.flatnonzero(pattern.tier == Tier.AGGREGATE)[-1])
    request = requests[at]
    earlier = np.flatnonzero(DATA.request_user[:request] == DATA.request_user[request])[-1]
    expected = tiers.pairs.current.rows[requests == earlier].mean(0)
    np.testing.assert_allclose(pattern.rows[at], expected, atol=1e-5)
