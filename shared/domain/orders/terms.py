"""What was asked for: the terms of an order, which no event changes.

A condition that is not an order yet (a good-till-triggered order, a leg of a basket) carries terms too.
"""

from enum import StrEnum
from typing import NamedTuple


class Side(StrEnum):
    """FIX Side (54)."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """FIX OrdType (40); which of them are offered is data."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class TimeInForce(StrEnum):
    """FIX TimeInForce (59); which of them are offered is data."""

    DAY = "DAY"
    IOC = "IOC"
    FOK = "FOK"
    GTC = "GTC"
    GTD = "GTD"


class Product(StrEnum):
    """India's product codes: delivery, intraday, carry-forward, margin funded; which are offered is data."""

    CNC = "CNC"
    MIS = "MIS"
    NRML = "NRML"
    MTF = "MTF"


class Terms(NamedTuple):
    """The terms of one order. Prices in paise, quantities in shares or contracts.

    `Terms` of an order that was refused may make no sense: whatever was asked for is on record.
    """

    instrument_id: str
    security_id: str
    """What the ledger books (an ISIN, else the contract's id); the instrument_id where the instrument is unknown."""
    segment: str
    """Where the instrument trades; with the product it names the rate card. Empty where the instrument is unknown."""
    side: Side
    order_type: OrderType
    product: Product
    time_in_force: TimeInForce
    quantity: int
    price: int | None
    """The limit that the client gave; None for MARKET."""
    limit_price: int
    """The worst price that the order may trade at, which is what goes to the exchange: the limit, or the protection
    price of a MARKET order. 0 for a refused order whose worst price is unknown."""
    disclosed_quantity: int | None = None

    def is_worse(self, price: int) -> bool:
        """Whether a trade at this price would be worse for the client than the limit."""
        return price > self.limit_price if self.side is Side.BUY else price < self.limit_price
