"""Where prices of instruments come from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol


class PriceSource(StrEnum):
    """What kind of price a value was taken at."""

    LAST = "LAST"
    """The last traded price of the market feed."""
    REFERENCE = "REFERENCE"
    """The reference price of the instrument master."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price in paise and where it comes from."""

    paise: int
    source: PriceSource


class Prices(Protocol):
    """Prices to value holdings and positions at."""

    async def prices(self, instrument_ids: Collection[str], on: date) -> Mapping[str, Price]:
        """The best known price of each instrument; an instrument without any is left out."""
