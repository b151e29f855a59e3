"""Instants as text: RFC 3339 in UTC, the one form in which times leave the program."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def wire_time(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds: 2026-11-23T05:00:00.000001Z."""
    return f"{instant.astimezone(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}Z"


def wire_microseconds(time: int) -> str:
    """`wire_time` of microseconds since 1970 UTC."""
    return wire_time(_EPOCH + timedelta(microseconds=time))


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (instant - _EPOCH) // timedelta(microseconds=1)
