"""How large and how noisy a world is."""

from dataclasses import dataclass

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The defaults are the demo's world: every item is shown more than 200 times in it."""

    num_items: int = 400
    num_users: int = 800
    requests_per_user: int = 24
    num_slots: int = 12
    num_candidates: int = 100  # what retrieval offers to a live request
    num_days: int = 14
    num_categories: int = 8
    rank: int = 8  # of the space in which items and interests are similar
    interests_per_user: int = 4
    switch_events: tuple[int, int] = (5, 20)  # clicks until the active interest changes, both included
    uniform_share: float = 0.05  # slots that the logging policy fills by chance
    late_items: float = 0.15  # share of the items that arrive while the log runs
    late_users: float = 0.25
    requests_per_visit: float = 4.0
    minutes_between_requests: float = 2.0
    conversion_window_ms: int = DAY_MS
    conversion_delay_ms: int = 4 * HOUR_MS  # mean

    def __post_init__(self) -> None:
        if self.num_slots > self.num_items // 2:
            raise ValueError(f"num_slots {self.num_slots} needs at least {2 * self.num_slots} items")
        if self.num_categories > len(CATEGORIES):
            raise ValueError(f"num_categories {self.num_categories} exceeds {len(CATEGORIES)}")


CATEGORIES = (
    "boots",
    "tents",
    "lamps",
    "ropes",
    "maps",
    "stoves",
    "jackets",
    "kayaks",
    "skis",
    "tools",
    "watches",
    "bicycles",
    "cameras",
    "books",
    "games",
    "plants",
)
