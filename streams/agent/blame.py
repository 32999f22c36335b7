"""Whose fault is it that an effect fails: the record's, or that of the effect and all that it stands on? Pure.

A record that fails by itself is buried, so that it does not stop its partition for ever. An outage that nobody
recognised, or a defect of ours, must not be taken for that: it would empty a topic into the dead letters. What tells
them apart is whether another record of the same kind succeeds. The rule:

1. Records are of one kind if they are of one topic, event type and `kind` of activity: a success says nothing of
   another kind, for which the effect does something else.
2. Of each kind in a batch that failed, up to `SAMPLE` records, spread over the batch, are tried alone.
3. One of them succeeds: the effect works for this kind. All of its records that fail alone are to be buried, if one
   that succeeded still does so afterwards.
4. None of them succeeds: they are to be buried while fewer than `SAMPLE` records of this kind have failed in a row,
   over all batches, with no success between. From then on the fault is not theirs: nothing of the batch is buried.

So an outage costs each worker at most `SAMPLE` - 1 records of a kind, which lie in the dead letters, and then it waits.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

SAMPLE = 10


def kind_of(topic: str, event: object) -> str:
    """What an event must share with another one for the success of one to speak for the other."""
    kind = getattr(event, "kind", None) or getattr(event, "type", None)
    return " ".join([topic, type(event).__name__, *([str(kind)] if kind else [])])


def sample(kinds: Sequence[str]) -> list[int]:
    """Places of the records to be tried alone: of each of the `kinds` [N] at most `SAMPLE`, spread over the batch."""
    places: dict[str, list[int]] = {}
    for place, kind in enumerate(kinds):
        places.setdefault(kind, []).append(place)
    chosen = [
        own[i * len(own) // min(len(own), SAMPLE)] for own in places.values() for i in range(min(len(own), SAMPLE))
    ]
    return sorted(chosen)


class Blame:
    """Remembers how many records of each kind have failed since one succeeded."""

    def __init__(self) -> None:
        self._in_a_row: Counter[str] = Counter()

    @property
    def suspects(self) -> bool:
        """Whether a success would change anything."""
        return bool(self._in_a_row)

    def effect_fails(self, failed: Mapping[str, int], succeeded: Collection[str]) -> str | None:
        """A kind for which the effect is at fault and not its records, after so many have `failed` alone."""
        for kind, number in failed.items():
            if kind not in succeeded and self._in_a_row[kind] + number >= SAMPLE:
                return kind
        return None

    def settle(self, failed: Mapping[str, int], succeeded: Iterable[str]) -> None:
        """The records that failed are buried; of these kinds some succeeded."""
        kinds = set(succeeded)
        for kind in kinds:
            self._in_a_row.pop(kind, None)
        self._in_a_row.update({kind: number for kind, number in failed.items() if kind not in kinds})
