"""What kinds of price there are."""

from enum import StrEnum


class PriceSource(StrEnum):
    """LAST: the last traded price of the market feed; CLOSE: the previous close, before the first trade that is known;
    REFERENCE: the reference price of the instrument master."""

    LAST = "LAST"
    CLOSE = "CLOSE"
    REFERENCE = "REFERENCE"
