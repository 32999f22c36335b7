"""Readiness: named conditions, each with the reason it does not hold."""

from collections.abc import Callable, Mapping

# A condition returns None when it holds, else why it does not, in words for the person who looks.
Condition = Callable[[], str | None]


class Readiness:
    """Ready when every condition holds. Conditions must be cheap: they read what a background task keeps current."""

    def __init__(self, conditions: Mapping[str, Condition]) -> None:
        self._conditions = dict(conditions)

    def failures(self) -> dict[str, str]:
        """Name and reason of each condition that does not hold; empty when ready."""
        reasons = {name: condition() for name, condition in self._conditions.items()}
        return {name: reason for name, reason in reasons.items() if reason is not None}
