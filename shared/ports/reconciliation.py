"""The two sides of a reconciliation with a venue."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as the venue or we have it; `order_id` as text, because the venue's may be anything."""

    exec_id: str
    order_id: str
    quantity: int
    price: int


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """An order that is live at the venue, or that should be by our records."""

    order_id: str
    quantity: int
    cum_quantity: int


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """How an order stands at the venue, in FIX's words, `VenueStatus` among them, or in words of its own."""

    status: str
    cum_quantity: int


class VenueStatus(StrEnum):
    """The words for how an order stands at the venue (FIX OrdStatus, 39) that something depends on."""

    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    TOMBSTONE = "TOMBSTONE"
    """The venue has promised never to take the order."""


class TradeDay(Protocol):
    """Our side. Raises UnavailableError."""

    async def executions_by_id(
        self, venue: str, trade_date: date, exec_ids: Collection[str]
    ) -> Mapping[str, Execution]:
        """Those of our executions that have these ids."""

    def executions(self, venue: str, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        """All our executions of the day, page by page."""

    async def orders(self, order_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """State by order id, of those that are ours."""

    def working(self, venue: str) -> AsyncIterator[Sequence[LiveOrder]]:
        """All our orders that the venue has acknowledged and that have not ended, page by page."""


class VenueRecords(Protocol):
    """The venue's side. Raises UnavailableError."""

    def executions(self, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        """All its executions of our orders on the day, page by page."""

    def live_orders(self) -> AsyncIterator[Sequence[LiveOrder]]:
        """All our orders that live there, page by page."""

    async def order(self, order_id: UUID) -> VenueOrder | None:
        """One order, live or ended; None when the venue does not know it."""
