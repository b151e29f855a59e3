"""Execution reports of exchange-messages.md, and how their wire form is written."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

# A report's id orders all reports of the venue: journal position, then place inside the position.
_PLACES = 1 << 20


def report_id(position: int, place: int) -> int:
    """Sort key of the report at `place` (from 0) of a journal position."""
    return position * _PLACES + place


def position_of(identity: int) -> int:
    """Journal position of a report id."""
    return identity // _PLACES


def exec_id(position: int, place: int) -> str:
    """ExecID (FIX 17): a function of the journal only, so a rebuilt venue gives the same."""
    return f"E{position:012d}-{place}"


def rupees(paise: int) -> str:
    """Paise as the wire's decimal string."""
    return f"{paise // 100}.{paise % 100:02d}"


@lru_cache(maxsize=4)  # all reports of a group carry the same time
def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(slots=True, kw_only=True)
class Report:
    """One report; prices as decimal strings, times RFC 3339, None where the message has no such field.

    Nothing changes it. It is not frozen, because setting 26 frozen fields costs more than the rest of a report.
    """

    report_id: int
    exec_type: str
    exec_id: str
    venue: str
    trade_date: str
    account: str | None
    order_id: str
    request_id: str
    instrument_id: str | None
    side: str | None
    order_status: str
    cum_quantity: int
    leaves_quantity: int
    transact_time: str
    exchange_order_id: str | None = None
    report_sequence: int | None = None
    last_sequence: int | None = None
    last_quantity: int | None = None
    last_price: str | None = None
    match_id: str | None = None
    quantity: int | None = None
    price: str | None = None
    reason: str | None = None
    text: str | None = None
    tombstone: bool | None = None
    response_to: str | None = None

    def wire(self) -> dict[str, Any]:
        """The JSON object that the broker gets."""
        return {name: value for name in _WIRE_FIELDS if (value := getattr(self, name)) is not None}


_WIRE_FIELDS = tuple(field.name for field in fields(Report) if field.name != "report_id")
