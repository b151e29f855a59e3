"""A venue whose records are given."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from shared.domain.errors import UnavailableError
from shared.ports.reconciliation import Execution, LiveOrder, VenueOrder


@dataclass
class MemoryVenue:
    """`VenueRecords`; `away` makes it unavailable."""

    days: dict[date, list[Execution]] = field(default_factory=dict)
    live: list[LiveOrder] = field(default_factory=list)
    orders: dict[UUID, VenueOrder] = field(default_factory=dict)
    away: bool = False

    async def executions(self, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        self._require_venue()
        yield list(self.days.get(trade_date, ()))

    async def live_orders(self) -> AsyncIterator[Sequence[LiveOrder]]:
        self._require_venue()
        yield list(self.live)

    async def order(self, order_id: UUID) -> VenueOrder | None:
        self._require_venue()
        return self.orders.get(order_id)

    def _require_venue(self) -> None:
        if self.away:
            raise UnavailableError("The venue's records are not available", retry_after_s=5)
