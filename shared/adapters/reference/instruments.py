"""Instruments and tick tables: `instruments.csv`, `tick_sizes.json`."""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

from shared.adapters.reference.entry import (
    Entry,
    a_day,
    basis_points,
    document,
    naming,
    positive_integer,
    positive_rupees,
    read_text,
    rupees,
    truth,
    word,
)
from shared.domain.instruments.instrument import EQUITY, Instrument
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.instruments.ticks import TickTable
from shared.domain.money import format_rupees

_ISIN: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", re.ASCII)
_SYMBOL: Final = re.compile(r"[A-Z0-9&-]{1,20}", re.ASCII)


def load_instruments(folder: Path, tick_tables: list[TickTable]) -> InstrumentMaster:
    path = folder / "instruments.csv"
    with naming(path.name):
        rows = csv.DictReader(read_text(path).splitlines(), strict=True)
        return InstrumentMaster(
            _instrument(Entry(f"{path.name}, line {rows.line_num}", _whole(row)), tick_tables) for row in rows
        )


def _whole(row: dict[str | Any, str | Any]) -> dict[str, object]:
    if None in row or None in row.values():
        raise ValueError(f"the row of {row.get('instrument_id')} has not as many fields as the header")
    return dict(row)


def _instrument(row: Entry, tick_tables: list[TickTable]) -> Instrument:
    venue, _, symbol = row.read("instrument_id", word).partition(":")
    instrument = Instrument(
        instrument_id=f"{venue}:{symbol}",
        venue=venue,
        symbol=row.read("symbol", _symbol),
        isin=row.read("isin", _isin),
        name=row.read("name", word),
        segment=EQUITY,
        tick_size_paise=row.read("tick_size", positive_rupees),
        lot_size=row.read("lot_size", positive_integer),
        freeze_quantity=row.read("freeze_quantity", positive_integer),
        price_band_bps=row.read("price_band_percent", basis_points),
        reference_price_paise=row.read("reference_price", positive_rupees),
        futures_and_options=row.read("futures_and_options", truth),
        valid_from=row.read("valid_from", a_day),
        valid_to=row.read("valid_to", lambda value: a_day(value) if value else None),
    )
    with naming(row.where):
        _refuse_contradiction(instrument, symbol, tick_tables)
    return instrument


def _refuse_contradiction(instrument: Instrument, symbol: str, tick_tables: list[TickTable]) -> None:
    """Raises ValueError when the fields of one row contradict each other."""
    if instrument.symbol != symbol or not instrument.venue:
        raise ValueError(f"instrument_id {instrument.instrument_id} is not VENUE:{instrument.symbol}")
    if instrument.valid_to is not None and instrument.valid_to < instrument.valid_from:
        raise ValueError(f"valid_to {instrument.valid_to} is before valid_from {instrument.valid_from}")
    if instrument.freeze_quantity < instrument.lot_size:
        raise ValueError(f"freeze_quantity {instrument.freeze_quantity} is under one lot of {instrument.lot_size}")
    tick = _table_on(tick_tables, instrument.valid_from).tick_paise(instrument.reference_price_paise)
    if instrument.tick_size_paise != tick or instrument.reference_price_paise % tick:
        raise ValueError(
            f"reference_price {format_rupees(instrument.reference_price_paise)} calls for "
            f"tick_size {format_rupees(tick)} and must be a multiple of it"
        )


def _table_on(tables: list[TickTable], day: date) -> TickTable:
    in_force = [table for table in tables if table.valid_from <= day]
    if not in_force:
        raise ValueError(f"no tick table holds on {day}")
    return max(in_force, key=lambda table: table.valid_from)


def load_tick_tables(folder: Path) -> list[TickTable]:
    return [_tick_table(entry) for entry in document(folder / "tick_sizes.json").entries("tables")]


def _tick_table(entry: Entry) -> TickTable:
    with naming(entry.where):
        return TickTable(
            version=entry.read("version", word),
            valid_from=entry.read("valid_from", a_day),
            rows=tuple(
                (row.read("from_price", rupees), row.read("tick_size", positive_rupees))
                for row in entry.entries("rows")
            ),
        )


def _symbol(value: object) -> str:
    if not _SYMBOL.fullmatch(word(value)):
        raise ValueError(f"{value!r} is not an exchange symbol")
    return word(value)


def _isin(value: object) -> str:
    """ISO 6166: letters count as two digits, and the last digit is Luhn's check digit."""
    text = word(value)
    if not _ISIN.fullmatch(text):
        raise ValueError(f"{text!r} is not an ISIN: two letters, nine letters or digits, one digit")
    if sum(_luhn_values(int(digit) for digit in reversed("".join(str(int(each, 36)) for each in text)))) % 10:
        raise ValueError(f"{text} is not an ISIN: its check digit is wrong")
    return text


def _luhn_values(digits_from_the_right: Iterable[int]) -> Iterator[int]:
    for position, digit in enumerate(digits_from_the_right):
        yield digit if position % 2 == 0 else sum(divmod(2 * digit, 10))
