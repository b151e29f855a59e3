"""Where booked trades are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from shared.domain.orders.terms import Side


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """One booked execution. Money in paise; `charges` are its share by component."""

    user_id: UUID
    order_id: UUID
    venue: str
    trade_date: date
    exec_id: str
    instrument_id: str
    side: Side
    quantity: int
    price: int
    notional: int
    charges: Mapping[str, int]
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class TradePosition:
    """Where a page ends; trades are listed from the newest on, by trade date, time, execution id and venue."""

    executed_at: datetime
    exec_id: str
    venue: str
    trade_date: date


@dataclass(frozen=True, slots=True)
class TradeFilter:
    """None does not restrict; both dates are included."""

    instrument_id: str | None = None
    from_date: date | None = None
    to_date: date | None = None


class TradeReader(Protocol):
    """Reads one client's trades."""

    async def trades(
        self, user_id: UUID, wanted: TradeFilter, after: TradePosition | None, limit: int
    ) -> Sequence[TradeRecord]:
        """At most `limit` trades that come after the position. Raises UnavailableError."""
