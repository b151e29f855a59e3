"""Cursors as positions of a list: what another list gave out, or nobody, is refused with 400."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final
from uuid import UUID

from shared.contracts.common import foreign_cursor, read_cursor

_BIGINT: Final = 2**63
_MAX_TEXT: Final = 64


def read_position[Position](cursor: str | None, parse: Callable[..., Position]) -> Position | None:
    """`parse` of the cursor's values; None without a cursor. Raises InvalidRequestError."""
    if cursor is None:
        return None
    try:
        return parse(*read_cursor(cursor))
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise foreign_cursor() from error


def as_text(value: object) -> str:
    """A short printable text. Raises ValueError."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError("no text of ours")
    return value


def as_number(value: object) -> int:
    """A whole number that the database can hold. Raises ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not -_BIGINT <= value < _BIGINT:
        raise ValueError("no number of ours")
    return value


def as_instant(value: object) -> datetime:
    """An instant with its time zone. Raises ValueError."""
    instant = datetime.fromisoformat(as_text(value))
    if instant.tzinfo is None:
        raise ValueError("no instant of ours")
    return instant


def as_day(value: object) -> date:
    """A calendar day. Raises ValueError."""
    return date.fromisoformat(as_text(value))


def as_id(value: object) -> UUID:
    """A UUID. Raises ValueError."""
    return UUID(as_text(value))
