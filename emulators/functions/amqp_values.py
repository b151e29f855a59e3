"""AMQP values as JSON and text: bodies that are not plain bytes, application properties, annotations.

The SDKs decode AMQP's strings, symbols and binaries alike to bytes, keys of maps included. Bytes that are UTF-8 are
taken for text; others are base64, as .NET writes them into JSON.
"""

import base64
import math
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

import orjson

from emulators.functions.dotnet_json import date_time_offset

_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1


class Bodied(Protocol):
    """A message or an event of an SDK."""

    @property
    def body(self) -> Any: ...

    @property
    def body_type(self) -> Enum: ...


def body_of(message: Bodied) -> bytes:
    """The whole body: data as it is, text as UTF-8, other values and sequences as JSON."""
    body: Any = message.body
    match message.body_type.name:
        case "DATA":
            return body if isinstance(body, bytes) else b"".join(body)
        case "SEQUENCE":
            return to_json(list(body)).encode()
    if isinstance(body, bytes):
        return body
    value = plain(body)
    return value.encode() if isinstance(value, str) else to_json(value).encode()


def to_json(value: object) -> str:
    """JSON of any AMQP value."""
    return orjson.dumps(plain(value)).decode()


def texts(properties: Mapping[Any, object] | None) -> dict[str, object]:
    """Application properties or annotations with names and values that JSON has."""
    return {text(name): plain(value) for name, value in (properties or {}).items()}


def text(value: object) -> str:
    """Text of a key, a symbol or a string."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def plain(value: object) -> object:
    """The value in types that JSON has; what JSON has no type for is text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        return {text(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return date_time_offset(value) if isinstance(value, datetime) else text(value)


def _number(value: float) -> float | str:
    """Infinity and NaN are no numbers in JSON, and integers end where AMQP's do."""
    fits = _SMALLEST <= value <= _LARGEST if isinstance(value, int) else math.isfinite(value)
    return value if fits else str(value)
