"""Tick tables: which tick a reference price calls for, dated."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class TickTable:
    """Tick by reference price, dated: rows of (price_paise from which the tick holds, tick_paise), ascending from 0."""

    version: str
    valid_from: date
    rows: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.rows]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError(f"tick table {self.version}: prices must start at 0 and rise")
        if any(tick <= 0 for _, tick in self.rows):
            raise ValueError(f"tick table {self.version}: every tick must be positive")

    def tick_paise(self, price_paise: int) -> int:
        """The tick that this price calls for. Raises ValueError for a negative price."""
        if price_paise < 0:
            raise ValueError(f"a price is not negative: {price_paise} paise")
        return next(tick for start, tick in reversed(self.rows) if price_paise >= start)
