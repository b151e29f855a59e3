"""What kinds of price there are."""

from enum import StrEnum


class PriceSource(StrEnum):
    """LAST: the last traded price of the market feed; REFERENCE: the reference price of the instrument master."""

    LAST = "LAST"
    REFERENCE = "REFERENCE"
