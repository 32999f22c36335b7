import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from inference.manifest import ReleaseError
from inference.protocol import RankInputs, Tier
from inference.release import MANIFEST_FILE, WEIGHTS_FILE, Release, load_release
from inference.training.untrained import TINY, untrained_release
from runtime.ids import ItemId
from tests.unit.inference.releases import ITEMS, history, items

TOLERANCE = 1e-5  # float32 sums in another order, as batches of other shapes take


@pytest.fixture
def location(tmp_path: Path) -> Path:
    untrained_release(tmp_path / "v1", ITEMS, version="v1")
    return tmp_path / "v1"


@pytest.fixture
def release(location: Path) -> Release:
    return load_release(location)


def rank_inputs(release: Release, counts: list[int], seed: int = 0) -> RankInputs:
    generator = torch.Generator().manual_seed(seed)
    sizes, b, n = release.manifest.sizes, len(counts), sum(counts)
    offsets = torch.tensor([0, *np.cumsum(counts)], dtype=torch.int32)
    inputs = RankInputs(
        user=torch.randn(b, sizes.user_tokens, sizes.item_width, generator=generator),
        user_mask=torch.ones(b, sizes.user_tokens, dtype=torch.bool),
        context=torch.randn(b, sizes.context_width, generator=generator),
        cand=torch.randn(n, sizes.item_width, generator=generator),
        cand_mask=torch.ones(n, dtype=torch.bool),
        pair=torch.randn(n, sizes.pair_width, generator=generator),
        tier=torch.randint(0, 4, (n,), generator=generator, dtype=torch.int32),
        age_s=torch.rand(n, generator=generator) * 1000,
        cand_to_user=torch.repeat_interleave(torch.arange(b, dtype=torch.int32), torch.tensor(counts)),
        user_offsets=offsets,
    )
    inputs.check()
    return inputs


def test_a_loaded_release_has_the_widths_of_its_manifest(release: Release) -> None:
    assert release.item_rows(items()).shape == (40, TINY.item_width)
    assert release.user_rows([history(3), history(0)]).shape == (2, TINY.user_tokens, TINY.item_width)
    assert release.pair_rows(history(3), items()[:7]).shape == (7, TINY.pair_width)
    assert release.context("home", {"device": "phone", "depth": 3}).shape == (TINY.context_width,)


def test_the_same_seed_writes_the_same_bundle(tmp_path: Path) -> None:
    first = untrained_release(tmp_path / "a", ITEMS, seed=3)
    assert untrained_release(tmp_path / "b", ITEMS, seed=3) == first
    assert untrained_release(tmp_path / "c", ITEMS, seed=4) != first


def test_a_user_row_does_not_depend_on_the_batch_it_was_computed_in(release: Release) -> None:
    alone = release.user_rows([history(3)])[0]
    among = release.user_rows([history(32, "other"), history(3), history(0, "none")])[1]
    np.testing.assert_allclose(alone, among, atol=TOLERANCE)


def test_item_and_pair_rows_do_not_depend_on_the_batch(release: Release) -> None:
    pick = [ItemId("item-4"), ItemId("item-9")]
    np.testing.assert_allclose(release.item_rows(items())[[4, 9]], release.item_rows(items(pick)), atol=TOLERANCE)
    wide, narrow = release.pair_rows(history(9), items()), release.pair_rows(history(9), items(pick))
    np.testing.assert_allclose(wide[[4, 9]], narrow, atol=TOLERANCE)


def test_a_user_row_depends_on_time_since_the_newest_event_only(release: Release) -> None:
    early, late = history(5), history(5)
    moved = tuple(
        payload.replace(b"17000", b"18000") for payload in late.payloads
    )  # the same events, three years later
    later = type(late)(late.user, late.rev, moved, late.as_of_ms + 100_000_000_000)
    np.testing.assert_array_equal(release.user_rows([early]), release.user_rows([later]))


def test_an_item_never_seen_gets_a_row_by_its_features(release: Release) -> None:
    unseen = release.item_rows([(ItemId("new-1"), {"category": "c1"})])
    same = release.item_rows([(ItemId("new-2"), {"category": "c1", "colour": "red", "price": float("nan")})])
    other = release.item_rows([(ItemId("new-3"), {"category": "c2"})])
    np.testing.assert_array_equal(unseen, same)
    assert np.abs(unseen - other).max() > 0.01


@pytest.mark.parametrize("variant", ["small", "standard", "large"])
def test_scores_of_a_request_do_not_depend_on_the_other_requests(release: Release, variant: str) -> None:
    inputs = rank_inputs(release, [3, 0, 5])
    together = release.score(variant, inputs)
    for request, (start, end) in enumerate([(0, 3), (3, 3), (3, 8)]):
        alone = RankInputs(
            user=inputs.user[request : request + 1],
            user_mask=inputs.user_mask[request : request + 1],
            context=inputs.context[request : request + 1],
            cand=inputs.cand[start:end],
            cand_mask=inputs.cand_mask[start:end],
            pair=inputs.pair[start:end],
            tier=inputs.tier[start:end],
            age_s=inputs.age_s[start:end],
            cand_to_user=torch.zeros(end - start, dtype=torch.int32),
            user_offsets=torch.tensor([0, end - start], dtype=torch.int32),
        )
        outputs = release.score(variant, alone)
        torch.testing.assert_close(outputs.p_click, together.p_click[start:end], atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(outputs.p_conversion, together.p_conversion[start:end], atol=TOLERANCE, rtol=0)


def test_the_pair_row_is_read_unless_the_tier_is_default(release: Release) -> None:
    inputs = rank_inputs(release, [4])
    before = release.score("standard", inputs).p_click
    inputs.pair.add_(1.0)
    after = release.score("standard", inputs).p_click
    read = inputs.tier != Tier.DEFAULT
    assert bool(read.any())
    assert bool(((before - after).abs() > 1e-6).eq(read).all())


def test_a_missing_user_row_and_a_missing_item_row_still_score(release: Release) -> None:
    inputs = rank_inputs(release, [4])
    inputs.user_mask.zero_()
    inputs.cand_mask.zero_()
    before = release.score("standard", inputs).p_click
    inputs.user.add_(5.0)  # what is masked is not read
    inputs.cand.add_(5.0)
    after = release.score("standard", inputs).p_click
    assert bool(torch.isfinite(before).all())
    torch.testing.assert_close(before, after)


def test_an_unknown_variant_is_refused_by_name(release: Release) -> None:
    with pytest.raises(ValueError, match="'huge' is not one of small, standard, large"):
        release.score("huge", rank_inputs(release, [1]))


def test_a_changed_weight_is_found(location: Path) -> None:
    weights = location / WEIGHTS_FILE
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ReleaseError, match=r"sha256 of weights.safetensors is [0-9a-f]{64}, not"):
        load_release(location)


def test_a_changed_manifest_is_found(location: Path, tmp_path: Path) -> None:
    sha256 = untrained_release(tmp_path / "again", ITEMS, version="v1")
    load_release(location, sha256)
    manifest = location / MANIFEST_FILE
    manifest.write_bytes(manifest.read_bytes().replace(b'"conversion_weight":1.0', b'"conversion_weight":9.0'))
    with pytest.raises(ReleaseError, match=f"expected {sha256}"):
        load_release(location, sha256)


def rewrite(location: Path, names: Mapping[str, str | None]) -> None:
    """The same release with its tensors under other names, None for left out, and the hash that it should have."""
    weights, manifest = location / WEIGHTS_FILE, location / MANIFEST_FILE
    before = weights.read_bytes()
    state = {names.get(name, name): tensor for name, tensor in load(before).items()}
    weights.write_bytes(save({name: tensor for name, tensor in state.items() if name is not None}))
    old, new = (hashlib.sha256(data).hexdigest().encode() for data in (before, weights.read_bytes()))
    manifest.write_bytes(manifest.read_bytes().replace(old, new))


def test_a_manifest_of_other_sizes_than_the_weights_is_refused(location: Path) -> None:
    manifest = location / MANIFEST_FILE
    manifest.write_bytes(manifest.read_bytes().replace(b'"user_tokens":4', b'"user_tokens":5'))
    with pytest.raises(
        ReleaseError, match=r"does not fit the manifest: user_tower\.queries is \[4, 16\] and must be \[5, 16\]"
    ) as said:
        load_release(location)
    assert "\n" not in str(said.value)


def test_weights_of_another_program_are_refused_by_the_name_of_a_tensor(location: Path) -> None:
    rewrite(location, {"positions.bias": "more"})
    with pytest.raises(ReleaseError, match=r"manifest: positions\.bias is missing, and 1 more: train again"):
        load_release(location)
    rewrite(location, {"catalogue.hashes": None})
    with pytest.raises(ReleaseError, match=r"manifest: catalogue\.hashes is missing"):
        load_release(location)


def test_a_manifest_with_a_field_of_the_wrong_type_is_refused_by_name(location: Path) -> None:
    manifest = location / MANIFEST_FILE
    manifest.write_bytes(manifest.read_bytes().replace(b'"user_tokens":4', b'"user_tokens":"4"'))
    with pytest.raises(ReleaseError, match="user_tokens"):
        load_release(location)


def test_an_absent_bundle_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="nowhere"):
        load_release(tmp_path / "nowhere")


def test_a_version_is_never_overwritten_and_a_failed_write_leaves_nothing(location: Path) -> None:
    with pytest.raises(FileExistsError):
        untrained_release(location, ITEMS)
    assert os.listdir(location.parent) == ["v1"]
