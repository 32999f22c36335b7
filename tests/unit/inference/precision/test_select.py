"""The choice of sites over made-up measurements."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from inference.precision.select import BUDGET, Joint, Option, not_kept, refusal, select
from inference.precision.timing import PassTimes

WIDE = Option("wide", "fp8 rowwise", ineligible=None, isolated=True, work=128 * 256, bound=1e-5, saved_us=None)


def added(options: list[Option]) -> Joint:
    """Changes that add up."""
    bounds = {(o.site, o.recipe): o.bound for o in options}
    return lambda recipes: sum(bounds[pair] for pair in recipes.items())


def test_what_was_not_timed_is_chosen_and_says_so() -> None:
    options = [WIDE, replace(WIDE, site="other")]
    selection = select(options, added(options), added(options))
    assert selection.chosen == {"wide": "fp8 rowwise", "other": "fp8 rowwise"}
    assert set(selection.verdicts.values()) == {"chosen; speed not measured"}


def test_what_is_faster_and_within_the_budget_is_chosen() -> None:
    options = [
        replace(WIDE, saved_us=3.0),
        replace(WIDE, site="slow", saved_us=-0.5),
        replace(WIDE, site="even", saved_us=0),
    ]
    selection = select(options, added(options), added(options))
    assert selection.chosen == {"wide": "fp8 rowwise"}
    assert selection.verdicts["wide", "fp8 rowwise"] == "chosen"
    assert (
        selection.verdicts["slow", "fp8 rowwise"] == selection.verdicts["even", "fp8 rowwise"] == "not faster than bf16"
    )


def test_the_most_time_for_the_least_error_comes_first() -> None:
    options = [
        replace(WIDE, site="dear", saved_us=10.0, bound=1.8e-4),
        replace(WIDE, site="cheap", saved_us=9.0, bound=5e-5),
        replace(WIDE, site="small", saved_us=1.0, bound=1e-5),
    ]
    selection = select(options, added(options), added(options))
    assert list(selection.chosen) == ["cheap", "small"]
    assert selection.verdicts["dear", "fp8 rowwise"] == "exceeds the budget together with the others"


def test_a_site_takes_the_recipe_that_gains_more() -> None:
    options = [replace(WIDE, saved_us=3.0), replace(WIDE, recipe="another", saved_us=4.0)]
    selection = select(options, added(options), added(options))
    assert selection.chosen == {"wide": "another"}
    assert selection.verdicts["wide", "fp8 rowwise"] == "another gains more"


def test_a_site_that_cannot_join_in_one_recipe_may_in_the_other() -> None:
    options = [replace(WIDE, saved_us=9.0, bound=1e-6), replace(WIDE, recipe="another", saved_us=1.0)]

    def joint(recipes: Mapping[str, str]) -> float:
        return 1.0 if "fp8 rowwise" in recipes.values() else 0.0

    assert select(options, joint, joint).chosen == {"wide": "another"}


def test_errors_that_grow_together_are_not_added_but_asked_for() -> None:
    options = [replace(WIDE, site=site) for site in "abc"]

    def joint(recipes: Mapping[str, str]) -> float:
        return len(recipes) ** 2 * 5e-5  # one alone fits, two exactly, three do not

    assert list(select(options, joint, joint).chosen) == ["a", "b"]


def test_what_may_be_over_the_budget_or_is_not_a_number_is_refused() -> None:
    options = [replace(WIDE, bound=3e-4), replace(WIDE, site="other", bound=float("nan"))]
    selection = select(options, added(options), added(options))
    assert selection.chosen == {}
    assert set(selection.verdicts.values()) == {"exceeds the budget alone"}


def test_what_was_chosen_last_is_given_up_until_other_requests_agree() -> None:
    options = [replace(WIDE, site=site, bound=change) for site, change in (("a", 1e-6), ("b", 2e-6), ("c", 3e-6))]

    def verified(recipes: Mapping[str, str]) -> float:
        return 1.5e-4 * len(recipes)

    selection = select(options, added(options), verified)
    assert selection.chosen == {"a": "fp8 rowwise"}
    assert selection.verdicts["b", "fp8 rowwise"] == "exceeds the budget on the requests that verify"


def test_an_order_of_options_changes_nothing() -> None:
    options = [replace(WIDE, site=site, recipe=recipe) for site in "abc" for recipe in ("fp8 rowwise", "another")]
    assert select(options, added(options), added(options)) == select(options[::-1], added(options), added(options))


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (replace(WIDE, ineligible="narrower than 16"), "narrower than 16"),
        (replace(WIDE, isolated=False), "one scale for all candidates: a score would depend on the others"),
        (replace(WIDE, bound=BUDGET), None),
        (replace(WIDE, bound=BUDGET * 1.01), "exceeds the budget alone"),
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
    selection = select([WIDE, replace(WIDE, site="thin", ineligible="narrower than 16")], joint, verified)
    assert selection.chosen == {}
    assert selection.verdicts["wide", "fp8 rowwise"] == "bf16 alone exceeds the budget"
    assert selection.verdicts["thin", "fp8 rowwise"] == "narrower than 16"


def test_nothing_to_choose_from_chooses_nothing() -> None:
    selection = select([], lambda recipes: 0.0, lambda recipes: 0.0)
    assert (selection.chosen, selection.verdicts) == ({}, {})


FASTER, AS_FAST = PassTimes(bf16_us=90.0, us=60.0, speedup=1.5), PassTimes(bf16_us=60.0, us=60.0, speedup=1.0)


@pytest.mark.parametrize(
    ("chosen", "bound", "whole_pass", "reason"),
    [
        ({}, 0.0, None, "nothing was chosen"),
        ({"wide": "fp8 rowwise"}, BUDGET, FASTER, None),
        ({"wide": "fp8 rowwise"}, BUDGET, None, "speed not measured"),
        ({"wide": "fp8 rowwise"}, BUDGET, AS_FAST, "the whole pass is not faster than in bf16"),
        ({"wide": "fp8 rowwise"}, 3e-4, FASTER, "exceeds the budget on requests that had no part in the choice"),
        (
            {"wide": "fp8 rowwise"},
            float("nan"),
            FASTER,
            "exceeds the budget on requests that had no part in the choice",
        ),
    ],
)
def test_a_choice_is_kept_if_it_proves_itself_as_a_whole(
    chosen: Mapping[str, str], bound: float, whole_pass: PassTimes | None, reason: str | None
) -> None:
    assert not_kept(chosen, bound, BUDGET, whole_pass) == reason
