"""Instruments: dated facts about what is traded, and the prices an order may carry.

Rules: every fact has a date range (`valid_from` to `valid_to`, both inclusive, None = open). A tick size belongs
to the instrument for its whole range, as on NSE, where the tick follows the price at the last review and not
the price of each order; the tick table says which tick a reference price calls for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

from shared.domain.orders.terms import Side

BASIS_POINTS: Final = 10_000


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


class InstrumentMaster:
    """Every version of every instrument, looked up by id and date."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        """Raises ValueError when two versions of one instrument overlap."""
        versions: dict[str, list[Instrument]] = {}
        for instrument in sorted(instruments, key=lambda each: (each.instrument_id, each.valid_from)):
            versions.setdefault(instrument.instrument_id, []).append(instrument)
        for of_one in versions.values():
            _refuse_overlap(of_one)
        self._versions: Mapping[str, list[Instrument]] = versions
        self._by_security: dict[str, list[str]] = {}
        for instrument_id, of_one in versions.items():
            for security_id in sorted({each.security_id for each in of_one}):
                self._by_security.setdefault(security_id, []).append(instrument_id)

    def find(self, instrument_id: str, on: date) -> Instrument | None:
        """The version traded on the date; else the newest one, which is then not active; None when unknown."""
        versions = self._versions.get(instrument_id)
        if versions is None:
            return None
        return next((each for each in versions if each.is_active(on)), versions[-1])

    def find_security(self, security_id: str, on: date) -> Instrument | None:
        """An instrument that trades the security on the date, else the newest one that did; None when unknown."""
        found = [self.find(instrument_id, on) for instrument_id in self._by_security.get(security_id, ())]
        known = [each for each in found if each is not None]
        return next((each for each in known if each.is_active(on)), known[0] if known else None)

    def list_active(self, on: date) -> list[Instrument]:
        """All instruments traded on the date, by id."""
        return [each for versions in self._versions.values() for each in versions if each.is_active(on)]


def _refuse_overlap(versions: list[Instrument]) -> None:
    for earlier, later in pairwise(versions):
        if earlier.valid_to is None or earlier.valid_to >= later.valid_from:
            raise ValueError(
                f"{later.instrument_id}: the version from {earlier.valid_from} overlaps the one from {later.valid_from}"
            )
