"""Cursors: where a page of a list ends, written as text.

Each list has a format of its own, and every text of that format is a position. So the document's pattern forbids
exactly what the API refuses, another list's cursors among it. A cursor is no secret and grants nothing: it is not
signed. To clients it is opaque.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SEPARATOR: Final = "."


@dataclass(frozen=True, slots=True)
class Part[Value]:
    """One value of a position; `read` takes every text that `pattern` matches."""

    pattern: str
    write: Callable[[Value], str]
    read: Callable[[str], Value]


def _instant(text: str) -> datetime:
    return _EPOCH + int(text, 16) * _MICROSECOND


def _text(text: str) -> str:
    return bytes.fromhex(text).decode(errors="replace")


INSTANT: Final[Part[datetime]] = Part(
    "0[0-2][0-9a-f]{14}", lambda instant: f"{(instant - _EPOCH) // _MICROSECOND:016x}", _instant
)
"""Microseconds since 1970, up to the year 8800."""
DAY: Final[Part[date]] = Part(
    "[1-9][0-9]{5}", lambda day: str(day.toordinal()), lambda text: date.fromordinal(int(text))
)
"""Days since the year 1, from the year 274 to 2738."""
ID: Final[Part[UUID]] = Part("[0-9a-f]{32}", lambda each: each.hex, UUID)
NUMBER: Final[Part[int]] = Part("-?(0|[1-9][0-9]{0,17})", str, int)
RANK: Final[Part[int]] = Part("[0-9]", str, int)
TEXT: Final[Part[str]] = Part("((0[1-9a-f]|[1-9a-f][0-9a-f]){1,256})", lambda text: text.encode().hex(), _text)
"""Hexadecimal UTF-8 without NUL, at most 64 characters of any script."""
INSTRUMENT: Final[Part[str]] = Part("[A-Z]{2,6}:[A-Z0-9&-]{1,40}", str, str)


class CursorFormat:
    """The cursors of one list, and the type of its parameter: `cursor: Annotated[str, ORDERS] | None = None`."""

    def __init__(self, *parts: Part[Any]) -> None:
        self._parts = parts
        self.pattern: Final = r"\.".join(part.pattern for part in parts)
        self._compiled: Final = re.compile(self.pattern)

    def write(self, *values: object) -> str:
        """The cursor of a position."""
        return _SEPARATOR.join(part.write(value) for part, value in zip(self._parts, values, strict=True))

    def read[Position](self, cursor: str | None, position: Callable[..., Position]) -> Position | None:
        """The position, made of its values; None without a cursor."""
        if cursor is None:
            return None
        return position(*(part.read(text) for part, text in zip(self._parts, cursor.split(_SEPARATOR), strict=True)))

    def _check(self, cursor: str) -> str:
        if not self._compiled.fullmatch(cursor):
            raise ValueError("not a next_cursor of this list: start without one")
        return cursor

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        described = {"description": "`next_cursor` of the page before; opaque", "pattern": f"^{self.pattern}$"}
        return handler(schema) | described
