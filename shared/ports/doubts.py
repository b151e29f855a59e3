"""Orders in doubt: their state at the exchange could not be established."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.domain.orders.events import Closing
from shared.json_values import Json


@dataclass(frozen=True, slots=True)
class DoubtPosition:
    """Where a page ends: `at` is since when an open doubt is there, or when a closed one was closed."""

    at: datetime
    order_id: UUID


@dataclass(frozen=True, slots=True)
class DoubtRecord:
    """An order in doubt, what is known of it, what its hold keeps, and how it was closed.

    `venue_status` is how the venue had the order at the decision; None when it did not know it, or was not consulted.
    """

    order_id: UUID
    user_id: UUID
    since: datetime
    evidence: Json
    instrument_id: str
    side: str
    quantity: int
    filled_quantity: int
    submitted_at: datetime | None
    expire_at: datetime | None
    hold_asset: str | None
    hold_open: int | None
    state: str
    resolved_at: datetime | None
    resolved_by: UUID | None
    resolution: Closing | None
    reference: str | None
    venue_consulted: bool | None
    venue_status: str | None


class DoubtReader(Protocol):
    """Reads doubts. Raises UnavailableError."""

    async def open(self, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        """At most `limit` open doubts after the position, oldest first."""

    async def closed(self, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        """At most `limit` closed ones after the position, the last closed first."""

    async def doubt(self, order_id: UUID) -> DoubtRecord | None:
        """The doubt of one order, open or closed."""
