"""Orders in doubt: their state at the exchange could not be established."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.json_values import Json


@dataclass(frozen=True, slots=True)
class DoubtPosition:
    """Where a page of doubts ends, oldest first."""

    since: datetime
    order_id: UUID


@dataclass(frozen=True, slots=True)
class DoubtRecord:
    """An order in doubt, what is known of it, what its hold keeps, and who closed it."""

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
    resolution: str | None
    reference: str | None


class DoubtReader(Protocol):
    """Reads doubts. Raises UnavailableError."""

    async def doubts(self, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        """Open doubts, oldest first."""

    async def doubt(self, order_id: UUID) -> DoubtRecord | None:
        """The doubt of one order, open or closed."""
