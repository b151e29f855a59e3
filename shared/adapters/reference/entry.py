"""Entries of reference files, with typed reads that say where a value is wrong."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from shared.domain.money import parse_rupees

_PERCENT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,12})?", re.ASCII)
_PPB_PER_PERCENT: Final = 10_000_000
_BPS_PER_PERCENT: Final = 100


class ReferenceDataError(Exception):
    """A file of reference data is missing or wrong; the message names file, entry and field."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row or object of a file, with typed reads that say where a value is wrong."""

    where: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, where: str, value: object) -> "Entry":
        """The entry of an object. Raises ReferenceDataError for anything else."""
        with naming(where):
            return cls(where, an_object(value))

    def read[T](self, name: str, parse: Callable[[object], T]) -> T:
        """The parsed field. Raises ReferenceDataError when it is missing or can't be parsed."""
        if name not in self.values:
            raise ReferenceDataError(f"{self.where}: the field {name} is missing")
        try:
            return parse(self.values[name])
        except ValueError as error:
            raise ReferenceDataError(f"{self.where}, field {name}: {error}") from error

    def entries(self, name: str) -> list["Entry"]:
        """A field that holds a list of objects, or an object of objects."""
        value = self.read(name, list_or_object)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [Entry.of(f"{self.where}, {name}[{key}]", each) for key, each in pairs]


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put the place in front of what a domain object says about its values."""
    try:
        yield
    except (ValueError, csv.Error) as error:
        raise ReferenceDataError(f"{where}: {error}") from error


def document(path: Path) -> Entry:
    with naming(path.name):
        return Entry.of(path.name, json.loads(read_text(path)))


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReferenceDataError(f"{path.name} can't be read from {path.parent}: {error.strerror}") from error


def expected(what: str, value: object) -> ValueError:
    return ValueError(f"{what} is expected, not {value!r}")


def an_object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise expected("an object", value)
    return value


def list_or_object(value: object) -> list[object] | dict[str, object]:
    if not isinstance(value, list | dict):
        raise expected("a list or an object", value)
    return value


def word(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise expected("a text", value)
    return value


def words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise expected("a list of texts", value)
    return tuple(word(each) for each in value)


def positive_integer(value: object) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or int(text) == 0:
        raise expected("a positive whole number", value)
    return int(text)


def positive_integers(value: object) -> dict[str, int]:
    return {name: positive_integer(each) for name, each in an_object(value).items()}


def rupees(value: object) -> int:
    return parse_rupees(word(value))


def positive_rupees(value: object) -> int:
    paise = rupees(value)
    if paise == 0:
        raise ValueError("an amount above zero is expected")
    return paise


def _scaled_percent(value: object, units_per_percent: int) -> int:
    if not _PERCENT.fullmatch(word(value)):
        raise expected("a percentage", value)
    units = Decimal(word(value)) * units_per_percent
    if not 0 <= units <= 100 * units_per_percent or units != int(units):
        raise ValueError(f"{value} percent is not between 0 and 100 in steps of 1/{units_per_percent} percent")
    return int(units)


def parts_per_billion(value: object) -> int:
    return _scaled_percent(value, _PPB_PER_PERCENT)


def basis_points(value: object) -> int:
    return _scaled_percent(value, _BPS_PER_PERCENT)


def truth(value: object) -> bool:
    if value not in {"true", "false"}:
        raise expected("true or false", value)
    return value == "true"


def a_day(value: object) -> date:
    return date.fromisoformat(word(value))
