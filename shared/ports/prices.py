"""Where prices of instruments come from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from shared.domain.prices import PriceSource


@dataclass(frozen=True, slots=True)
class Price:
    """A price in paise and where it comes from."""

    paise: int
    source: PriceSource


class Prices(Protocol):
    """Prices to value holdings and positions at."""

    async def prices(self, instrument_ids: Collection[str], on: date) -> Mapping[str, Price]:
        """The best known price of each instrument; an instrument without any is left out."""
