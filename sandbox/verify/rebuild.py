"""Rows as the domain's frozen values, by their annotations: text becomes UUID, datetime, enumeration or value."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints
from uuid import UUID


def rebuild[T](cls: type[T], values: Mapping[str, Any]) -> T:
    """An instance of the dataclass or named tuple; a missing field gets its default, or None where that is allowed.

    Raises KeyError, TypeError or ValueError when the values do not fit.
    """
    hints: dict[str, Any] = _hints(cls)  # type: ignore[arg-type]  # a class is hashable whatever T is
    arguments = {}
    for name, hint in hints.items():
        if name in values:
            arguments[name] = _convert(hint, values[name])
        elif NoneType in get_args(hint):
            arguments[name] = None
    return cls(**arguments)


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls)] if is_dataclass(cls) else cls._fields
    return {name: hints[name] for name in names}


def _convert(hint: Any, value: Any) -> Any:
    if isinstance(hint, UnionType):
        if value is None:
            return None
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    if is_dataclass(hint) and isinstance(hint, type):
        return rebuild(hint, value)
    if isinstance(value, str) and hint is datetime:
        return datetime.fromisoformat(value)
    if isinstance(value, str) and isinstance(hint, type) and (hint is UUID or issubclass(hint, Enum)):
        return hint(value)
    if not isinstance(value, hint):
        raise TypeError(f"{value!r} is no {hint.__name__}")
    return value
