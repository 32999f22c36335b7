"""Padding to a bucket changes no probability; on a GPU neither does the graph."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import nn

from inference.forward.buckets import CANDIDATES, Bucket
from inference.forward.forward import Forward
from inference.forward.inputs import PackedInputs
from inference.models.ranker import VARIANTS, Ranker
from inference.models.shared_linear import SharedLinear
from inference.models.sizes import Sizes
from inference.precision.recipes import ROWWISE
from inference.precision.sites import linears
from inference.protocol import RankInputs
from kernels.backend import Backend, forced
from tests.unit.inference.forward.batches import WIDTHS, batch

SIZES = Sizes(user_tokens=4, item_width=16, pair_width=8, context_width=4, num_heads=2)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
KEPT = {"from_candidate": ROWWISE, "blocks.0.layers.1": ROWWISE}  # one that is given the request's part, one plain
SPLITS = [[1], [100], [128], [3, 0, 200], [10] * 5, [0]]


@pytest.fixture(scope="module", params=list(VARIANTS))
def ranker(request: pytest.FixtureRequest) -> Ranker:
    """Random weights everywhere, so that no part adds nothing."""
    torch.manual_seed(0)
    ranker = Ranker(SIZES, VARIANTS[request.param]).eval()
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return ranker


def prepared(ranker: Ranker, dtype: torch.dtype = torch.float32, recipes: Mapping[str, str] | None = None) -> Forward:
    """Every split above falls into one of these."""
    forward = Forward(ranker, WIDTHS, DEVICE, dtype, recipes)
    forward.prepare([Bucket(candidates, requests) for candidates in (128, 256) for requests in (1, 4, 16)])
    return forward


@pytest.mark.parametrize("counts", SPLITS, ids=str)
def test_a_padded_batch_scores_as_it_does_alone(ranker: Ranker, counts: list[int]) -> None:
    forward, inputs = prepared(ranker), batch(counts)
    with torch.inference_mode():
        expected = ranker.score(inputs)
    for _ in range(2):  # the second time finds the arena as the first left it
        forward.score(PackedInputs.of(batch([90, 10], seed=3)))
        forward.score(PackedInputs.of(batch([200], seed=4)))
        got = forward.score(PackedInputs.of(inputs))
        torch.testing.assert_close(got.p_click, expected.p_click, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(got.p_conversion, expected.p_conversion, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("counts", [[CANDIDATES[-1] + 5], [300, 20]], ids=str)
def test_a_batch_that_nobody_prepared_for_is_scored_as_well(ranker: Ranker, counts: list[int]) -> None:
    inputs = batch(counts)
    with torch.inference_mode():
        expected = ranker.score(inputs)
    torch.testing.assert_close(
        prepared(ranker).score(PackedInputs.of(inputs)).p_click, expected.p_click, rtol=1e-4, atol=1e-5
    )


def test_bfloat16_gives_nearly_the_same_probabilities(ranker: Ranker) -> None:
    inputs = batch([100, 20])
    with torch.inference_mode():
        expected = ranker.score(inputs)
    got = prepared(ranker, torch.bfloat16).score(PackedInputs.of(inputs))
    assert got.p_click.dtype is torch.float32
    torch.testing.assert_close(got.p_click, expected.p_click, rtol=0, atol=0.05)


def test_bfloat16_makes_no_candidates_tie(ranker: Ranker) -> None:
    p_click = Forward(ranker, WIDTHS, DEVICE, torch.bfloat16).score(PackedInputs.of(batch([400]))).p_click
    apart = [p for p in p_click.tolist() if p < 0.99]  # near 1 float32 has few numbers, too
    assert len(set(apart)) > 0.95 * len(apart) > 0


@pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a CUDA GPU")
def test_two_threads_capture_at_once(ranker: Ranker) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: prepared(ranker).score(PackedInputs.of(batch([100, 20]))).p_click, range(4)))
    for p_click in found[1:]:
        torch.testing.assert_close(p_click, found[0])


def test_the_ranker_that_was_handed_over_stays_as_it_was(ranker: Ranker) -> None:
    prepared(ranker, torch.bfloat16)
    assert {parameter.dtype for parameter in ranker.parameters()} == {torch.float32}


def wide_linears(ranker: Ranker) -> dict[str, str]:
    """More than a table would keep: also those of the request's part, but neither the heads nor what is narrow."""
    sites = linears(ranker).items()
    return {site: ROWWISE for site, linear in sites if min(linear.in_features, linear.out_features) >= 16}


def e4m3(values: torch.Tensor) -> torch.Tensor:
    """Rows [N, K] as multiples of a 448th of their largest, of three binary digits, in float64."""
    scale = values.abs().amax(1, keepdim=True).double().clamp(min=1e-30) / 448
    return (values / scale).to(torch.float8_e4m3fn).double() * scale


def by_hand(ranker: Ranker, sites: Mapping[str, str], inputs: RankInputs) -> torch.Tensor:
    """Clicks with those linears over rounded operands, made from the ranker's own call of them."""

    def rounded(linear: nn.Module, given: tuple[torch.Tensor, ...], _out: torch.Tensor) -> torch.Tensor:
        assert isinstance(linear, nn.Linear)
        x = given[0].flatten(0, -2)
        y = e4m3(x) @ e4m3(linear.weight).T
        if isinstance(linear, SharedLinear):
            y = y + given[1][given[2].long()]
        if linear.bias is not None:
            y = y + linear.bias
        return y.float().view(*given[0].shape[:-1], -1)

    hooks = [linear.register_forward_hook(rounded) for site, linear in linears(ranker).items() if site in sites]
    try:
        with torch.inference_mode():
            return ranker.score(inputs).p_click
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("counts", [[100], [10] * 5], ids=str)
@pytest.mark.parametrize("all_of_them", [False, True], ids=["two linears", "all linears"])
def test_fp8_scores_are_those_of_the_rounded_operands(ranker: Ranker, all_of_them: bool, counts: list[int]) -> None:
    recipes, inputs = wide_linears(ranker) if all_of_them else KEPT, batch(counts)
    got = prepared(ranker, recipes=recipes).score(PackedInputs.of(inputs)).p_click
    # A GPU gives the products as bfloat16; elsewhere an operand may fall to the other side of a rounding.
    torch.testing.assert_close(
        got, by_hand(ranker, recipes, inputs), rtol=0, atol=0.05 if DEVICE.type == "cuda" else 5e-3
    )
    with torch.inference_mode():
        assert float((got - ranker.score(inputs).p_click).abs().max()) > 1e-3  # it was not float32


def test_no_recipes_change_no_bit(ranker: Ranker) -> None:
    inputs = batch([100, 20])
    got, expected = (
        prepared(ranker, recipes={}).score(PackedInputs.of(inputs)),
        prepared(ranker).score(PackedInputs.of(inputs)),
    )
    assert torch.equal(got.p_click, expected.p_click)
    assert torch.equal(got.p_conversion, expected.p_conversion)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("counts", SPLITS, ids=str)
def test_a_padded_batch_scores_in_fp8_as_it_does_alone(ranker: Ranker, counts: list[int], dtype: torch.dtype) -> None:
    """On a GPU the first is captured and the second is not."""
    captured, inputs = prepared(ranker, dtype, wide_linears(ranker)), batch(counts)
    alone = Forward(ranker, WIDTHS, DEVICE, dtype, wide_linears(ranker)).score(PackedInputs.of(inputs))
    for full in ([128], [64, 64, 128], [8] * 16):  # what fills up a bucket keeps what it held, but for its rows
        spoiled = batch(full, seed=3)
        for kept in (spoiled.user, spoiled.context, spoiled.age_s, spoiled.pair):
            kept[:] = float("nan")
        captured.score(PackedInputs.of(spoiled))
    got = captured.score(PackedInputs.of(inputs))
    assert got.p_click.isfinite().all()
    # In bf16 a sum in another order moves operands over a rounding to e4m3, and here and there a score with them.
    tolerance = 1e-4 if dtype is torch.float32 and DEVICE.type == "cpu" else 1e-2
    for found, expected in ((got.p_click, alone.p_click), (got.p_conversion, alone.p_conversion)):
        assert float((found - expected).abs().sum()) <= tolerance * len(found)


@pytest.mark.parametrize("recipes", ["bf16", "fp8"])
@pytest.mark.parametrize("counts", [[40], [30, 0, 20]], ids=str)
def test_the_kernels_score_as_the_definitions_do(ranker: Ranker, counts: list[int], recipes: str) -> None:
    """As it is served on a GPU: stored rows, half floats, every op by its kernel."""
    if recipes == "fp8" and DEVICE.type == "cpu" and torch.__version__ < "2.13":
        pytest.skip(f"torch {torch.__version__} has the library's product with a scale for every row on GPUs alone")
    inputs = PackedInputs.of(batch(counts))
    found = {}
    for backend in (Backend.TRITON, Backend.REFERENCE):
        with forced(backend):
            kept = wide_linears(ranker) if recipes == "fp8" else {}
            found[backend] = Forward(ranker, WIDTHS, DEVICE, torch.bfloat16, kept).score(inputs)
    for name in ("p_click", "p_conversion"):
        got, expected = (torch.logit(getattr(one, name)) for one in found.values())
        # In FP8 an operand that falls to the other side of a rounding moves by 6 %, and what follows with it.
        assert float((got - expected).norm() / expected.norm()) < (0.1 if recipes == "fp8" else 0.01)


def test_a_field_of_another_length_is_refused(ranker: Ranker) -> None:
    inputs = PackedInputs.of(batch([3, 4]))
    for name, wrong in {
        "context": inputs.context[:1],
        "user_mask": inputs.user_mask[:1],
        "age_s": inputs.age_s[:1],
    }.items():
        with pytest.raises(ValueError, match=f"{name} has 1 entries; the batch has [27]"):
            prepared(ranker).score(replace(inputs, **{name: wrong}))  # type: ignore[arg-type]


def test_no_requests_have_no_scores(ranker: Ranker) -> None:
    assert prepared(ranker).score(PackedInputs.of(batch([]))).p_click.shape == (0,)


def test_what_is_stored_where_a_token_is_absent_does_not_matter(ranker: Ranker) -> None:
    inputs = batch([20])
    spoiled = replace(inputs, user=torch.where(inputs.user_mask[:, :, None], inputs.user, torch.nan))
    assert not inputs.user_mask.all()
    expected, got = (prepared(ranker).score(PackedInputs.of(one)).p_click for one in (inputs, spoiled))
    torch.testing.assert_close(got, expected)


def test_a_linear_that_is_not_there_is_named(ranker: Ranker) -> None:
    with pytest.raises(ValueError, match=r"there is no linear blocks\.9"):
        Forward(ranker, WIDTHS, DEVICE, recipes={"blocks.9": ROWWISE})
