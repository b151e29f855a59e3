"""Where prices of instruments come from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from shared.domain.prices import PriceSource


@dataclass(frozen=True, slots=True)
class Price:
    """A price in paise, where it comes from and how old it is."""

    paise: int
    source: PriceSource
    as_of: int | None = None
    """Exchange time of the newest trade or of the close, in microseconds since 1970 UTC; None for a reference price."""
    stale: bool = False
    """The feed is mute: the price is the last known one."""
    before_paise: int | None = None
    """The price before the trade date began; None when it is not known."""


class Prices(Protocol):
    """Prices to value holdings and positions at."""

    async def prices(self, instrument_ids: Collection[str], on: date) -> Mapping[str, Price]:
        """The best known price of each instrument on the trade date; an instrument without any is left out."""


class LastPrices(Protocol):
    """Live prices to protect MARKET orders by."""

    async def last_price(self, instrument_id: str) -> int | None:
        """The last traded price in paise, at most a second old; None when none is known or the feed is mute."""
