"""Instruments the venue lists: dated rows of a CSV file, and the checks they imply.

Columns: instrument_id,symbol,isin,name,tick_size,lot_size,reference_price,price_band_percent,freeze_quantity,
valid_from,valid_to (inclusive dates, `valid_to` empty for "still"); money in rupees.
"""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from simulators.exchange.commands import Reason
from simulators.exchange.reports import rupees


class InstrumentFileError(Exception):
    """The instrument file cannot be used; the message names line and field."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One dated row; prices in paise, quantities in shares, the band in percent of the reference price."""

    instrument_id: str
    tick: int
    lot: int
    reference: int
    band_percent: Decimal
    freeze_quantity: int
    valid_from: date
    valid_to: date

    @property
    def band(self) -> tuple[int, int]:
        """Lowest and highest price allowed, in paise, on the tick."""
        width = int(self.reference * self.band_percent / 100)
        low, high = self.reference - width, self.reference + width
        return max(-(-low // self.tick) * self.tick, self.tick), high // self.tick * self.tick

    def refuse(self, price: int, quantity: int) -> tuple[Reason, str] | None:
        """The first rule that an order breaks, with the limit and the value; `price` in paise."""
        if quantity <= 0 or quantity % self.lot:
            return Reason.QUANTITY, f"quantity {quantity} is not a multiple of the lot size {self.lot}"
        if quantity > self.freeze_quantity:
            return Reason.QUANTITY, f"quantity {quantity} exceeds the freeze quantity {self.freeze_quantity}"
        if price % self.tick:
            return Reason.PRICE_TICK, f"price {rupees(price)} is not on the tick {rupees(self.tick)}"
        low, high = self.band
        if not low <= price <= high:
            return Reason.PRICE_BAND, f"price {rupees(price)} is outside {rupees(low)} to {rupees(high)}"
        return None


class InstrumentMaster:
    """Looks up the row of an instrument that is valid on a date."""

    def __init__(self, instruments: list[Instrument]) -> None:
        self._rows: dict[str, list[Instrument]] = {}
        for instrument in instruments:
            self._rows.setdefault(instrument.instrument_id, []).append(instrument)

    def find(self, instrument_id: str, day: date) -> Instrument | None:
        """The row valid on `day`, or None."""
        rows = self._rows.get(instrument_id, ())
        return next((row for row in rows if row.valid_from <= day <= row.valid_to), None)

    def listed(self, day: date) -> list[Instrument]:
        """All instruments valid on `day`."""
        return [found for instrument_id in self._rows if (found := self.find(instrument_id, day))]


def read_instruments(path: Path) -> InstrumentMaster:
    """Read the CSV file. Raises InstrumentFileError."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return InstrumentMaster([_row(path, number, row) for number, row in enumerate(csv.DictReader(file), 2)])
    except OSError as error:
        raise InstrumentFileError(f"cannot read {path}: {error.strerror}") from error


def _row(path: Path, number: int, row: dict[str, str]) -> Instrument:
    try:
        instrument = Instrument(
            instrument_id=row["instrument_id"],
            tick=_paise(row["tick_size"]),
            lot=int(row["lot_size"]),
            reference=_paise(row["reference_price"]),
            band_percent=Decimal(row["price_band_percent"]),
            freeze_quantity=int(row["freeze_quantity"]),
            valid_from=date.fromisoformat(row["valid_from"]),
            valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else date.max,
        )
    except (KeyError, ValueError, InvalidOperation) as error:
        raise InstrumentFileError(f"{path}, line {number}: {error!r}") from error
    if min(instrument.tick, instrument.lot, instrument.reference, instrument.freeze_quantity) <= 0:
        raise InstrumentFileError(f"{path}, line {number}: tick, lot, reference and freeze quantity must be positive")
    return instrument


def _paise(text: str) -> int:
    value = Decimal(text) * 100
    if value != int(value):
        raise ValueError(f"{text} has a fraction of a paisa")
    return int(value)
