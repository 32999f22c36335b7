"""Which variant of the model a request deserves: pure policy."""

from collections.abc import Sequence


def choose_variant(
    variants: Sequence[str], preferred: str, cold: str, *, is_cold: bool, predicted_s: dict[str, float], usable_s: float
) -> str:
    """A variant of `variants` (cheapest first).

    A user without a representation gets `cold` if the release has it. Otherwise `preferred`, or the last before it
    that will probably be ready within `usable_s`; if none will be, the cheapest, which is the best that can be done.
    `predicted_s` is by variant; one without a measurement counts as ready.
    """
    if is_cold and cold in variants:
        return cold
    end = variants.index(preferred) + 1 if preferred in variants else len(variants)
    for variant in reversed(variants[:end]):
        if predicted_s.get(variant, 0.0) <= usable_s:
            return variant
    return variants[0]
