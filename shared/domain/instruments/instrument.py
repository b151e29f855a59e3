"""One instrument: dated facts about what is traded, and the prices an order may carry.

Rules: every fact has a date range (`valid_from` to `valid_to`, both inclusive, None = open). A tick size belongs
to the instrument for its whole range, as on NSE, where the tick follows the price at the last review and not
the price of each order.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from shared.domain.orders.terms import Side

BASIS_POINTS: Final = 10_000
EQUITY: Final = "EQ"
"""The segment of shares."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One version of an instrument; prices in paise, the band in basis points around the reference price."""

    instrument_id: str
    venue: str
    symbol: str
    isin: str
    name: str
    segment: str
    tick_size_paise: int
    lot_size: int
    freeze_quantity: int
    price_band_bps: int
    reference_price_paise: int
    futures_and_options: bool
    valid_from: date
    valid_to: date | None = None

    @property
    def security_id(self) -> str:
        """What the ledger books: the ISIN, which the same security has on every exchange, else the contract's id."""
        return self.isin or self.instrument_id

    def is_active(self, on: date) -> bool:
        """Whether this version is traded on the date."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


def price_band(instrument: Instrument) -> tuple[int, int]:
    """Lowest and highest price in paise that the venue accepts: the band around the reference, on ticks inside it."""
    reference, tick = instrument.reference_price_paise, instrument.tick_size_paise
    low = -(-reference * (BASIS_POINTS - instrument.price_band_bps) // BASIS_POINTS)
    high = reference * (BASIS_POINTS + instrument.price_band_bps) // BASIS_POINTS
    return max(tick, -(-low // tick) * tick), high // tick * tick


def protection_price(
    instrument: Instrument, side: Side, protection_bps: int, last_price_paise: int | None = None
) -> int:
    """The limit price in paise that a MARKET order becomes at intake.

    `protection_bps` away from the last price (the reference price when none is known), rounded to the tick towards
    the safer side and kept inside the price band.
    """
    base, tick = last_price_paise or instrument.reference_price_paise, instrument.tick_size_paise
    low, high = price_band(instrument)
    if side == Side.BUY:
        price = base * (BASIS_POINTS + protection_bps) // BASIS_POINTS // tick * tick
    else:
        price = -(-base * (BASIS_POINTS - protection_bps) // (BASIS_POINTS * tick)) * tick
    return min(max(price, low), high)
