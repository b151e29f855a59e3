"""Reference data: the dated files in shared/data, read once into domain objects.

Rules: everything a regulator or the venue changes lives in those files, with dates. A file is checked whole before
anything is served from it; a bad value stops the start with one sentence naming file, entry and field.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from shared.domain.charges.rate_cards import ChargeKind, RateCard, RateCards
from shared.domain.instruments import Instrument, InstrumentMaster, TickTable
from shared.domain.money import format_rupees, parse_rupees
from shared.domain.orders.risk import Limits, LimitsBook
from shared.domain.sessions import DatedHours, SessionCalendar, SessionHours

DATA_FOLDER: Final = Path(__file__).resolve().parent.parent / "data"

_WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_ISIN: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", re.ASCII)
_SYMBOL: Final = re.compile(r"[A-Z0-9&-]{1,20}", re.ASCII)
_TIME_OF_DAY: Final = re.compile(r"([0-2][0-9]):([0-5][0-9])", re.ASCII)
_PERCENT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,12})?", re.ASCII)
_PPB_PER_PERCENT: Final = 10_000_000
_BPS_PER_PERCENT: Final = 100


class ReferenceDataError(Exception):
    """A file of reference data is missing or wrong; the message names file, entry and field."""


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """Everything dated that the rules need."""

    instruments: InstrumentMaster
    rate_cards: RateCards
    calendars: Mapping[str, SessionCalendar]
    limits: LimitsBook


@cache
def load_reference_data(folder: Path = DATA_FOLDER) -> ReferenceData:
    """The reference data of the folder, read and checked once a process. Raises ReferenceDataError."""
    tick_tables = _load_tick_tables(folder)
    return ReferenceData(
        instruments=_load_instruments(folder, tick_tables),
        rate_cards=_load_rate_cards(folder),
        calendars=_load_calendars(folder),
        limits=_load_limits(folder),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One row or object of a file, with typed reads that say where a value is wrong."""

    where: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, where: str, value: object) -> "_Entry":
        """The entry of an object. Raises ReferenceDataError for anything else."""
        with _naming(where):
            return cls(where, _object(value))

    def read[T](self, name: str, parse: Callable[[object], T]) -> T:
        """The parsed field. Raises ReferenceDataError when it is missing or can't be parsed."""
        if name not in self.values:
            raise ReferenceDataError(f"{self.where}: the field {name} is missing")
        try:
            return parse(self.values[name])
        except ValueError as error:
            raise ReferenceDataError(f"{self.where}, field {name}: {error}") from error

    def entries(self, name: str) -> list["_Entry"]:
        """A field that holds a list of objects, or an object of objects."""
        value = self.read(name, _list_or_object)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [_Entry.of(f"{self.where}, {name}[{key}]", each) for key, each in pairs]


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put the place in front of what a domain object says about its values."""
    try:
        yield
    except (ValueError, csv.Error) as error:
        raise ReferenceDataError(f"{where}: {error}") from error


def _load_instruments(folder: Path, tick_tables: list[TickTable]) -> InstrumentMaster:
    path = folder / "instruments.csv"
    with _naming(path.name):
        rows = csv.DictReader(_text(path).splitlines(), strict=True)
        return InstrumentMaster(
            _instrument(_Entry(f"{path.name}, line {rows.line_num}", _whole(row)), tick_tables) for row in rows
        )


def _whole(row: dict[str | Any, str | Any]) -> dict[str, object]:
    if None in row or None in row.values():
        raise ValueError(f"the row of {row.get('instrument_id')} has not as many fields as the header")
    return dict(row)


def _instrument(row: _Entry, tick_tables: list[TickTable]) -> Instrument:
    venue, _, symbol = row.read("instrument_id", _word).partition(":")
    instrument = Instrument(
        instrument_id=f"{venue}:{symbol}",
        venue=venue,
        symbol=row.read("symbol", _symbol),
        isin=row.read("isin", _isin),
        name=row.read("name", _word),
        segment="EQ",
        tick_size_paise=row.read("tick_size", _positive_rupees),
        lot_size=row.read("lot_size", _positive_integer),
        freeze_quantity=row.read("freeze_quantity", _positive_integer),
        price_band_bps=row.read("price_band_percent", _basis_points),
        reference_price_paise=row.read("reference_price", _positive_rupees),
        futures_and_options=row.read("futures_and_options", _truth),
        valid_from=row.read("valid_from", _day),
        valid_to=row.read("valid_to", lambda value: _day(value) if value else None),
    )
    with _naming(row.where):
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


def _load_tick_tables(folder: Path) -> list[TickTable]:
    return [_tick_table(entry) for entry in _document(folder / "tick_sizes.json").entries("tables")]


def _tick_table(entry: _Entry) -> TickTable:
    with _naming(entry.where):
        return TickTable(
            version=entry.read("version", _word),
            valid_from=entry.read("valid_from", _day),
            rows=tuple(
                (row.read("from_price", _rupees), row.read("tick_size", _positive_rupees))
                for row in entry.entries("rows")
            ),
        )


def _load_rate_cards(folder: Path) -> RateCards:
    document = _document(folder / "rate_cards.json")
    with _naming(document.where):
        return RateCards(_rate_card(entry) for entry in document.entries("cards"))


def _rate_card(entry: _Entry) -> RateCard:
    with _naming(entry.where):
        return RateCard(
            version=entry.read("version", _word),
            segment=entry.read("segment", _word),
            kind=entry.read("kind", lambda value: ChargeKind(_word(value))),
            valid_from=entry.read("valid_from", _day),
            brokerage_ppb=entry.read("brokerage_percent", _parts_per_billion),
            stt_buy_ppb=entry.read("stt_buy_percent", _parts_per_billion),
            stt_sell_ppb=entry.read("stt_sell_percent", _parts_per_billion),
            exchange_transaction_ppb=entry.read("exchange_transaction_percent", _parts_per_billion),
            sebi_ppb=entry.read("sebi_percent", _parts_per_billion),
            stamp_duty_buy_ppb=entry.read("stamp_duty_buy_percent", _parts_per_billion),
            gst_ppb=entry.read("gst_percent", _parts_per_billion),
        )


def _load_calendars(folder: Path) -> dict[str, SessionCalendar]:
    document = _document(folder / "sessions.json")
    names = list(document.read("calendars", _object))
    return {name: _calendar(name, entry) for name, entry in zip(names, document.entries("calendars"), strict=True)}


def _calendar(name: str, entry: _Entry) -> SessionCalendar:
    special_days = entry.read("special_sessions", _days_of)
    with _naming(entry.where):
        return SessionCalendar(
            name=name,
            regular=tuple(_dated_hours(each) for each in entry.entries("regular")),
            holidays={day: _word(reason) for day, reason in entry.read("holidays", _days_of).items()},
            special_sessions={
                day: _hours(each) for day, each in zip(special_days, entry.entries("special_sessions"), strict=True)
            },
            holidays_known_until=entry.read("holidays_known_until", lambda value: _day(value) if value else None),
        )


def _dated_hours(entry: _Entry) -> DatedHours:
    return DatedHours(entry.read("valid_from", _day), _hours(entry), entry.read("weekdays", _weekdays))


def _hours(entry: _Entry) -> SessionHours:
    with _naming(entry.where):
        return SessionHours(entry.read("opens", _time_of_day), entry.read("closes", _time_of_day))


def _load_limits(folder: Path) -> LimitsBook:
    document = _document(folder / "limits.json")
    with _naming(document.where):
        return LimitsBook(_limits(entry) for entry in document.entries("versions"))


def _limits(entry: _Entry) -> Limits:
    with _naming(entry.where):
        return Limits(
            version=entry.read("version", _word),
            valid_from=entry.read("valid_from", _day),
            max_order_value_paise=entry.read("max_order_value", _positive_rupees),
            max_order_quantity=entry.read("max_order_quantity", _positive_integer),
            market_protection_bps=entry.read("market_protection_percent", _basis_points),
            products=entry.read("products", _words),
            order_types=entry.read("order_types", _words),
            times_in_force=entry.read("times_in_force", _words),
            requests_per_minute=entry.read("requests_per_minute", _positive_integers),
            default_requests_per_minute=entry.read("default_requests_per_minute", _positive_integer),
        )


def _document(path: Path) -> _Entry:
    with _naming(path.name):
        return _Entry.of(path.name, json.loads(_text(path)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReferenceDataError(f"{path.name} can't be read from {path.parent}: {error.strerror}") from error


def _expected(what: str, value: object) -> ValueError:
    return ValueError(f"{what} is expected, not {value!r}")


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _expected("an object", value)
    return value


def _list_or_object(value: object) -> list[object] | dict[str, object]:
    if not isinstance(value, list | dict):
        raise _expected("a list or an object", value)
    return value


def _word(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _expected("a text", value)
    return value


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise _expected("a list of texts", value)
    return tuple(_word(each) for each in value)


def _positive_integer(value: object) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or int(text) == 0:
        raise _expected("a positive whole number", value)
    return int(text)


def _positive_integers(value: object) -> dict[str, int]:
    return {name: _positive_integer(each) for name, each in _object(value).items()}


def _rupees(value: object) -> int:
    return parse_rupees(_word(value))


def _positive_rupees(value: object) -> int:
    paise = _rupees(value)
    if paise == 0:
        raise ValueError("an amount above zero is expected")
    return paise


def _scaled_percent(value: object, units_per_percent: int) -> int:
    if not _PERCENT.fullmatch(_word(value)):
        raise _expected("a percentage", value)
    units = Decimal(_word(value)) * units_per_percent
    if not 0 <= units <= 100 * units_per_percent or units != int(units):
        raise ValueError(f"{value} percent is not between 0 and 100 in steps of 1/{units_per_percent} percent")
    return int(units)


def _parts_per_billion(value: object) -> int:
    return _scaled_percent(value, _PPB_PER_PERCENT)


def _basis_points(value: object) -> int:
    return _scaled_percent(value, _BPS_PER_PERCENT)


def _truth(value: object) -> bool:
    if value not in {"true", "false"}:
        raise _expected("true or false", value)
    return value == "true"


def _day(value: object) -> date:
    return date.fromisoformat(_word(value))


def _days_of(value: object) -> dict[date, object]:
    return {_day(day): each for day, each in _object(value).items()}


def _time_of_day(value: object) -> timedelta:
    match = _TIME_OF_DAY.fullmatch(_word(value))
    if match is None:
        raise _expected("a time of day between 00:00 and 24:00", value)
    return timedelta(hours=int(match[1]), minutes=int(match[2]))


def _weekdays(value: object) -> frozenset[int]:
    unknown = set(_words(value)) - set(_WEEKDAYS)
    if unknown:
        raise ValueError(f"weekdays are {', '.join(_WEEKDAYS)}, not {', '.join(sorted(unknown))}")
    return frozenset(_WEEKDAYS.index(day) for day in _words(value))


def _symbol(value: object) -> str:
    if not _SYMBOL.fullmatch(_word(value)):
        raise ValueError(f"{value!r} is not an exchange symbol")
    return _word(value)


def _isin(value: object) -> str:
    """ISO 6166: letters count as two digits, and the last digit is Luhn's check digit."""
    text = _word(value)
    if not _ISIN.fullmatch(text):
        raise ValueError(f"{text!r} is not an ISIN: two letters, nine letters or digits, one digit")
    if sum(_luhn_values(int(digit) for digit in reversed("".join(str(int(each, 36)) for each in text)))) % 10:
        raise ValueError(f"{text} is not an ISIN: its check digit is wrong")
    return text


def _luhn_values(digits_from_the_right: Iterable[int]) -> Iterator[int]:
    for position, digit in enumerate(digits_from_the_right):
        yield digit if position % 2 == 0 else sum(divmod(2 * digit, 10))
