"""The cursor of the market ticker: how far a client has seen each instrument.

One entry an instrument, `NSE~INFY~3~1024`: exchange, symbol with `_` for `&`, epoch, sequence; entries are joined by
dots, so a cursor needs no escaping in an address. Every text of that form is a cursor (see `cursors`).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from shared.domain.market_data.quotes import Mark

_MOST: Final = 100
_ENTRY: Final = "[A-Z]{2,6}~[A-Z0-9_-]{1,40}~(0|[1-9][0-9]{0,17})~(0|[1-9][0-9]{0,17})"
_PATTERN: Final = rf"{_ENTRY}(\.{_ENTRY}){{0,{_MOST - 1}}}"
_CURSOR: Final = re.compile(_PATTERN)


def write_cursor(seen: Mapping[str, Mark]) -> str:
    """The cursor of at least one instrument."""
    return ".".join(_entry(instrument_id, *place) for instrument_id, place in seen.items())


def read_cursor(cursor: str | None) -> dict[str, Mark]:
    """By instrument; empty without a cursor. Of an instrument that occurs twice the last entry counts."""
    if cursor is None:
        return {}
    seen = {}
    for entry in cursor.split("."):
        exchange, symbol, epoch, sequence = entry.split("~")
        seen[f"{exchange}:{symbol.replace('_', '&')}"] = Mark(int(epoch), int(sequence))
    return seen


def _entry(instrument_id: str, epoch: int, sequence: int) -> str:
    exchange, _, symbol = instrument_id.partition(":")
    return f"{exchange}~{symbol.replace('&', '_')}~{epoch}~{sequence}"


class _StreamCursor:
    """The type of the parameter."""

    def _check(self, cursor: str) -> str:
        if not _CURSOR.fullmatch(cursor):
            raise ValueError("not a cursor of this stream: start without one")
        return cursor

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        described = {"description": "`cursor` of the answer before; opaque", "pattern": f"^{_PATTERN}$"}
        return handler(schema) | described


STREAM_CURSOR: Final = _StreamCursor()
