"""Instants as text: RFC 3339 in UTC, the one form in which times leave the program."""

from datetime import UTC, datetime


def wire_time(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds: 2026-11-23T05:00:00.000001Z."""
    return f"{instant.astimezone(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}Z"
