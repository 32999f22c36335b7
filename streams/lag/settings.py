"""Settings of the lag monitor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LagSettings:
    """`SOLARIS_LAG_*`."""

    host: str = "127.0.0.1"  # where it listens
    port: int = 8001  # 0 for a free one
    interval_s: float = 2.0  # between two reads of all offsets; one read takes about 10 ms
    window_s: float = 20.0  # what a verdict looks back on; several commit intervals, several reads
    history_s: float = 600.0  # what the page's sparklines show
    broker_timeout_s: float = 10.0  # for each question to the broker

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port is {self.port}; 0 to 65535 are allowed")
        if self.interval_s <= 0 or self.window_s < self.interval_s or self.history_s < self.window_s:
            raise ValueError("0 < interval_s <= window_s <= history_s does not hold")
        if self.broker_timeout_s <= 0:
            raise ValueError(f"broker_timeout_s is {self.broker_timeout_s}; it must be above 0")
