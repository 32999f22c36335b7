import numpy as np

from inference.protocol import Tier
from inference.synthetic.config import WorldConfig
from inference.synthetic.rows import log_to_dataset
from inference.synthetic.world import World
from inference.training.foundation import PairTable
from inference.training.plan import TrainingPlan
from inference.training.tiers import TierSource

DATA = log_to_dataset(
    World(0, WorldConfig(num_items=60, num_users=10, requests_per_user=6, num_categories=6)).past(1_790_000_000_000), 4
)


def source() -> TierSource:
    rng = np.random.default_rng(0)
    present = np.isin(DATA.cand_request, np.arange(DATA.num_requests // 2, DATA.num_requests))
    rows = np.where(present[:, None], rng.normal(size=(len(present), 8)), 0.0).astype(np.float32)
    return TierSource(DATA, PairTable(rows, present, np.full(len(rows), 60.0, dtype=np.float32)))


def test_rows_of_the_first_part_have_no_pair_row_and_the_miss_pattern_has_every_tier() -> None:
    tiers = source()
    rows, tier, age_s = tiers.draw(TrainingPlan(), np.random.default_rng(0))
    assert (tier[~tiers.pairs.present] != Tier.PAIR).all()
    assert set(tier) == {Tier.PAIR, Tier.AGGREGATE, Tier.DEFAULT}
    assert (rows[tier == Tier.DEFAULT] == 0).all()
    assert (age_s[tier == Tier.DEFAULT] == 0).all()
    assert (age_s[tier == Tier.PAIR] == 60).all()
    assert (age_s[tier == Tier.AGGREGATE] > 0).all()


def test_an_aggregate_is_the_mean_of_the_same_users_request_before() -> None:
    tiers = source()
    everywhere = np.ones(len(DATA.cand_item), dtype=bool)
    rows, tier, _ = tiers.compose(~everywhere, everywhere)
    requests = DATA.cand_request
    at = int(np.flatnonzero(tier == Tier.AGGREGATE)[-1])
    request = requests[at]
    earlier = np.flatnonzero(DATA.request_user[:request] == DATA.request_user[request])[-1]
    np.testing.assert_allclose(rows[at], tiers.pairs.rows[requests == earlier].mean(0), atol=1e-5)
