"""Batches of requests as one `RankInputs`: each request gets the scores it would get alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.packed import PackedRows
from cache.row import HEADER_BYTES, stamped
from cache.store import Hydrated
from inference.forward.buckets import Bucket
from inference.forward.inputs import PackedInputs
from inference.item_row import ItemState, encode_item_rows
from inference.kernel_choice import check_kernels
from inference.pair_row import encode_pair_rows
from inference.protocol import RankInputs, RankOutputs, Tier
from inference.release import Release
from inference.serving.engine import NotFinite, Scored, ScoreJob, score_batch, warm_up
from inference.serving.hydration import Hydration, UserSource, decode_user, hydrate_items, nothing, user_of
from inference.serving.inputs import ScoreInput, pack_inputs
from inference.serving.scorer import CpuScorer, DeviceScorer, Scorer, scorer_on
from inference.user_row import encode_user_rows
from runtime.environment import SettingsError
from runtime.ids import ItemId
from tests.unit.inference.releases import ITEMS, history
from tests.unit.inference.serving.world import publish

NOW_MS = 1_800_000_000_000
# Without a GPU the second runs uncaptured: its buckets, arena and casts are the same.
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SCORERS = [CpuScorer(), DeviceScorer(DEVICE, torch.float32, [Bucket(128, 1), Bucket(128, 4)])]
by_scorer = pytest.mark.parametrize("scorer", SCORERS, ids=["cpu", "device"])


@pytest.fixture(scope="module")
def release(bundles: Path) -> Release:
    return publish(bundles)[0]


def hydration(release: Release, names: list[str], num_events: int) -> Hydration:
    """A request as the store would answer it: rows of ten seconds ago, a pair for every second item."""
    items = [ItemId(name) for name in names]
    past = history(num_events)
    rows = encode_item_rows(release, [ItemState(item, ITEMS[item], 1, 1) for item in items])
    pairs = encode_pair_rows(release, past, [(item, ITEMS[item]) for item in items[::2]])
    written = [stamped(row, NOW_MS - 10_000, 0) for row in (*rows, *pairs)]
    pair_rows: list[bytes | None] = [None] * len(items)
    pair_rows[::2] = written[len(rows) :]
    found = Hydrated(past.rev, None, list(written[: len(rows)]), pair_rows, None)
    hydrated = hydrate_items(found, items, release.manifest, NOW_MS)
    if num_events:
        decoded = decode_user(encode_user_rows(release, [past])[0], release.manifest, NOW_MS)
        hydrated.user = user_of(decoded, UserSource.COMPUTED, release.manifest, NOW_MS)
    return hydrated


def job(release: Release, hydrated: Hydration, variant: str = "standard") -> ScoreJob:
    return ScoreJob(release, variant, ScoreInput(hydrated, release.context("home", None)))


def job_inputs(release: Release, hydrated: Hydration) -> RankInputs:
    return pack_inputs([job(release, hydrated).inputs], release.manifest).decoded()


names = st.lists(st.sampled_from(sorted(ITEMS)), min_size=1, max_size=12, unique=True)


@by_scorer
@given(requests=st.lists(st.tuples(names, st.integers(0, 5)), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_a_request_scores_in_a_batch_as_it_does_alone(
    scorer: Scorer, release: Release, requests: list[tuple[list[str], int]]
) -> None:
    jobs = [job(release, hydration(release, *request)) for request in requests]
    pack_inputs([one.inputs for one in jobs], release.manifest).decoded().check()
    together = scored_by(scorer, jobs)
    for one, scored in zip(jobs, together, strict=True):
        (alone,) = scored_by(CpuScorer(), [one])
        np.testing.assert_allclose(scored.p_click, alone.p_click, rtol=1e-4)
        np.testing.assert_allclose(scored.p_conversion, alone.p_conversion, rtol=1e-4)
    assert [scored.first for scored in together] == [True] + [False] * (len(jobs) - 1)


def test_a_pair_row_has_an_age_only_where_the_user_has_acted_since(release: Release) -> None:
    hydrated = hydration(release, ["item-1", "item-2", "item-3"], 3)
    assert hydrated.tier.tolist() == [Tier.PAIR, Tier.DEFAULT, Tier.PAIR]
    assert job_inputs(release, hydrated).age_s.tolist() == [0, 0, 0]
    hydrated.pair_rev[2] -= 1
    assert job_inputs(release, hydrated).age_s.tolist() == [0, 0, 10]
    hydrated.pair_age_ms[2] = 0  # behind all the same
    assert 0 < job_inputs(release, hydrated).age_s[2] < 0.01
    hydrated.tier[:] = Tier.AGGREGATE  # stands for rows of several ages
    assert job_inputs(release, hydrated).age_s[0] == 10


def test_the_inputs_keep_their_promises_when_nothing_is_known(release: Release) -> None:
    inputs = job_inputs(release, nothing(3, release.manifest))
    inputs.check()
    assert not inputs.user_mask.any()
    assert not inputs.cand_mask.any()


def test_a_row_from_the_future_has_age_zero(release: Release) -> None:
    item = ItemId("item-1")
    row = stamped(encode_item_rows(release, [ItemState(item, ITEMS[item], 1, 1)])[0], NOW_MS + 5_000, 0)
    hydrated = hydrate_items(Hydrated(0, None, [row], [None], None), [item], release.manifest, NOW_MS)
    assert (hydrated.cand_mask.tolist(), hydrated.item_age_ms.tolist()) == ([True], [0])


def test_a_negative_answer_is_not_missing(release: Release) -> None:
    item = ItemId("gone")
    row = stamped(encode_item_rows(release, [ItemState(item, None, 0, 0)])[0], NOW_MS, NOW_MS + 60_000)
    hydrated = hydrate_items(Hydrated(0, None, [row], [None], None), [item], release.manifest, NOW_MS)
    assert (hydrated.missing, hydrated.reasons, hydrated.found["negative"]) == ([], [], 1)
    expired = hydrate_items(Hydrated(0, None, [row], [None], None), [item], release.manifest, NOW_MS + 60_001)
    assert expired.missing == [item]


def test_rows_of_another_release_are_not_used(release: Release, bundles: Path) -> None:
    other = publish(bundles, "v2", seed=2)[0]
    item = ItemId("item-1")
    row = stamped(encode_item_rows(other, [ItemState(item, ITEMS[item], 1, 1)])[0], NOW_MS, 0)
    hydrated = hydrate_items(Hydrated(0, None, [row], [None], None), [item], release.manifest, NOW_MS)
    assert (hydrated.cand_mask.tolist(), hydrated.missing) == ([False], [item])


def scored_by(scorer: Scorer, jobs: list[ScoreJob]) -> list[Scored]:
    results = score_batch(scorer, jobs)
    assert all(isinstance(one, Scored) for one in results)
    return [one for one in results if isinstance(one, Scored)]


@by_scorer
def test_probabilities_that_are_not_numbers_are_an_error_of_their_request_alone(
    scorer: Scorer, release: Release
) -> None:
    hydrated = nothing(2, release.manifest)
    hydrated.tier[:] = 0
    hydrated.pair = PackedRows.of_values(np.zeros((2, release.manifest.pair_width), np.float32))
    hydrated.pair.staging[:, HEADER_BYTES:].view("<f2")[0, 0] = np.inf  # no row of ours, but its checksum may be right
    well = job(release, hydration(release, ["item-1", "item-2"], 2))
    first, spoiled, last = score_batch(scorer, [well, job(release, hydrated), well])
    assert isinstance(spoiled, NotFinite)
    for one in (first, last):
        assert isinstance(one, Scored)
        np.testing.assert_allclose(one.p_click, scored_by(CpuScorer(), [well])[0].p_click, rtol=1e-4)


@by_scorer
def test_a_warm_up_scores_every_variant(scorer: Scorer, release: Release) -> None:
    warm_up(scorer, release)
    for variant in release.manifest.variants:
        (scored,) = scored_by(
            scorer, [ScoreJob(release, variant, job(release, hydration(release, ["item-1"], 1)).inputs)]
        )
        assert 0 < scored.p_click[0] < 1


@pytest.mark.parametrize("word", ["foo", "triton"])
def test_kernels_that_cannot_run_here_are_refused_at_the_start(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available() and word == "triton":
        pytest.skip("there is a GPU here")
    monkeypatch.setenv("SOLARIS_KERNELS", word)
    monkeypatch.setattr("kernels.backend._chosen", None)  # as in a process that has not asked yet
    with pytest.raises(SettingsError, match=f"SOLARIS_KERNELS is '{word}'"):
        check_kernels()


@pytest.mark.parametrize("name", ["SOLARIS_KERNEL", "SOLARIS_KERNELS_MODE"])
def test_a_misspelt_name_is_refused_as_under_every_prefix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "reference")
    with pytest.raises(SettingsError, match=f"{name} is not a setting; known is SOLARIS_KERNELS"):
        check_kernels()


def test_a_gpu_that_is_not_there_is_said() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ValueError, match="PyTorch sees no GPU here"):
        scorer_on("cuda")
    assert isinstance(scorer_on("auto"), CpuScorer)


class Refusing(torch.nn.Module):
    """A model that the GPU does not compute."""

    def score(self, inputs: PackedInputs) -> RankOutputs:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize("stays", [True, False], ids=["for good", "this once"])
def test_only_an_error_that_the_gpu_repeats_ends_readiness(
    stays: bool, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    def synchronize(device: torch.device) -> None:
        if stays:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    scorer = DeviceScorer(torch.device("cuda"), torch.float32, [])
    monkeypatch.setattr(scorer, "_forwards", {release: {"standard": Refusing()}})
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        scorer.score(
            release, "standard", pack_inputs([job(release, nothing(1, release.manifest)).inputs], release.manifest)
        )
    said = scorer.lost()
    assert (said is not None) == stays
    assert said is None or "until the ranker is started anew" in said
