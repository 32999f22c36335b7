"""The choice of sites over made-up measurements."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from inference.precision.select import BUDGET, Joint, Option, refusal, select

WIDE = Option(
    "wide", "fp8 rowwise", inputs=128, outputs=256, per_candidate=True, isolated=True, change=1e-5, saved_us=None
)


def added(options: list[Option]) -> Joint:
    """Changes that add up."""
    changes = {(o.site, o.recipe): o.change for o in options}
    return lambda recipes: sum(changes[pair] for pair in recipes.items())


def test_what_was_not_timed_is_named_but_not_kept() -> None:
    options = [WIDE, replace(WIDE, site="other")]
    selection = select(options, added(options), added(options))
    assert selection.within_budget == {"wide": "fp8 rowwise", "other": "fp8 rowwise"}
    assert selection.kept == {}
    assert set(selection.verdicts.values()) == {"within the budget; speed not measured"}
    assert selection.change == pytest.approx(2e-5)


def test_what_is_faster_and_within_the_budget_is_kept() -> None:
    options = [
        replace(WIDE, saved_us=3.0),
        replace(WIDE, site="slow", saved_us=-0.5),
        replace(WIDE, site="even", saved_us=0),
    ]
    selection = select(options, added(options), added(options))
    assert selection.kept == selection.within_budget == {"wide": "fp8 rowwise"}
    assert selection.verdicts["wide", "fp8 rowwise"] == "kept"
    assert (
        selection.verdicts["slow", "fp8 rowwise"] == selection.verdicts["even", "fp8 rowwise"] == "not faster than bf16"
    )


def test_the_most_time_for_the_least_error_comes_first() -> None:
    options = [
        replace(WIDE, site="dear", saved_us=10.0, change=1.8e-4),
        replace(WIDE, site="cheap", saved_us=9.0, change=5e-5),
        replace(WIDE, site="small", saved_us=1.0, change=1e-5),
    ]
    selection = select(options, added(options), added(options))
    assert list(selection.kept) == ["cheap", "small"]
    assert selection.verdicts["dear", "fp8 rowwise"] == "exceeds the budget together with the others"


def test_a_site_takes_the_recipe_that_gains_more() -> None:
    options = [replace(WIDE, saved_us=3.0), replace(WIDE, recipe="another", saved_us=4.0)]
    selection = select(options, added(options), added(options))
    assert selection.kept == {"wide": "another"}
    assert selection.verdicts["wide", "fp8 rowwise"] == "another gains more"


def test_a_site_that_cannot_join_in_one_recipe_may_in_the_other() -> None:
    options = [replace(WIDE, saved_us=9.0, change=1e-6), replace(WIDE, recipe="another", saved_us=1.0)]

    def joint(recipes: Mapping[str, str]) -> float:
        return 1.0 if "fp8 rowwise" in recipes.values() else 0.0

    assert select(options, joint, joint).kept == {"wide": "another"}


def test_errors_that_grow_together_are_not_added_but_asked_for() -> None:
    options = [replace(WIDE, site=site) for site in "abc"]

    def joint(recipes: Mapping[str, str]) -> float:
        return len(recipes) ** 2 * 5e-5  # one alone fits, two exactly, three do not

    assert list(select(options, joint, joint).within_budget) == ["a", "b"]


def test_a_loss_that_falls_counts_as_much_as_one_that_rises() -> None:
    options = [replace(WIDE, change=-3e-4), replace(WIDE, site="other", change=float("nan"))]
    selection = select(options, added(options), added(options))
    assert selection.within_budget == {}
    assert set(selection.verdicts.values()) == {"exceeds the budget alone"}


def test_what_was_chosen_last_is_given_up_until_other_requests_agree() -> None:
    options = [replace(WIDE, site=site, change=change) for site, change in (("a", 1e-6), ("b", 2e-6), ("c", 3e-6))]

    def verified(recipes: Mapping[str, str]) -> float:
        return 1.5e-4 * len(recipes)

    selection = select(options, added(options), verified)
    assert selection.within_budget == {"a": "fp8 rowwise"}
    assert selection.verified_change == 1.5e-4
    assert selection.change == 1e-6
    assert selection.verdicts["b", "fp8 rowwise"] == "exceeds the budget on the requests that verify"


def test_an_order_of_options_changes_nothing() -> None:
    options = [replace(WIDE, site=site, recipe=recipe) for site in "abc" for recipe in ("fp8 rowwise", "another")]
    assert select(options, added(options), added(options)) == select(options[::-1], added(options), added(options))


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (replace(WIDE, per_candidate=False), "computed once per request: nothing to gain"),
        (replace(WIDE, isolated=False), "one scale for all candidates: a score would depend on the others"),
        (replace(WIDE, outputs=2), "narrower than 16"),
        (replace(WIDE, inputs=6), "narrower than 16"),
        (replace(WIDE, change=BUDGET), None),
        (replace(WIDE, change=BUDGET * 1.01), "exceeds the budget alone"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(option: Option, reason: str | None) -> None:
    assert refusal(option, BUDGET) == reason


@pytest.mark.parametrize("exceeds", ["on the requests of the choice", "on those that verify"])
def test_where_bf16_alone_exceeds_the_budget_nothing_is_chosen(exceeds: str) -> None:
    def over(recipes: Mapping[str, str]) -> float:
        return 0.0 if recipes else 3e-4  # FP8 would bring it back

    def within(recipes: Mapping[str, str]) -> float:
        return 0.0

    joint, verified = (over, within) if exceeds == "on the requests of the choice" else (within, over)
    selection = select([WIDE, replace(WIDE, site="thin", outputs=2)], joint, verified)
    assert selection.within_budget == selection.kept == {}
    assert selection.verdicts["wide", "fp8 rowwise"] == "bf16 alone exceeds the budget"
    assert selection.verdicts["thin", "fp8 rowwise"] == "narrower than 16"


def test_nothing_to_choose_from_chooses_nothing() -> None:
    selection = select([], lambda recipes: 0.0, lambda recipes: 0.0)
    assert (selection.within_budget, selection.kept, selection.verdicts) == ({}, {}, {})
