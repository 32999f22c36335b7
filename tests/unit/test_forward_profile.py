"""The profile counts what a pass does, by kind."""

from inference.models.ranker import VARIANTS
from tests.forward_profile import KINDS, OURS, profile, report


def test_our_kernels_and_the_librarys_products_are_counted() -> None:
    steps = profile("compact", 1000, 1)
    large = VARIANTS["large"]
    assert sum(step.kind == OURS for step in steps) == large.hops + 2 * large.interactions
    assert all(step.num_bytes > 0 for step in steps)
    assert {step.kind for step in steps if step.flops} == {next(iter(KINDS))}


def test_work_grows_with_the_candidates_and_launches_do_not() -> None:
    few, many = profile("compact", 100, 1), profile("compact", 1000, 1)
    assert len(few) == len(many)
    assert sum(step.num_bytes for step in many) > 5 * sum(step.num_bytes for step in few)


def test_the_table_has_every_kind_and_their_sum() -> None:
    text = report("compact", 100, 1)
    assert all(kind in text for kind in (*KINDS, OURS, "all"))
    assert "of the peak" in text
