"""What a release was trained on, as its manifest says it."""

from enum import StrEnum


class Source(StrEnum):
    """As `python -m inference train` is told."""

    SYNTHETIC = "synthetic"
    MOVIETWEETINGS = "movietweetings"
    TOPICS = "topics"

    @property
    def option(self) -> str:
        """What names it on a command line."""
        return _OPTIONS[self]


_OPTIONS = {
    Source.SYNTHETIC: "--synthetic",
    Source.MOVIETWEETINGS: "--movietweetings DIR",
    Source.TOPICS: "--from-topics",
}
