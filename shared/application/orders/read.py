"""Orders as their user reads them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.contracts.orders import Stage
from shared.contracts.published import published_order
from shared.domain.errors import NotFoundError
from shared.domain.orders.events import Acknowledged, Filled, FundsHeld, Submitted
from shared.domain.orders.order import Order
from shared.domain.times import wire_time
from shared.json_values import Json
from shared.ports.orders import OrderFilter, OrderRecords

_STAGES: Final[Mapping[Stage, str]] = {
    Stage.FUNDS_HELD: FundsHeld.__name__,
    Stage.AT_EXCHANGE: Submitted.__name__,
    Stage.ACKNOWLEDGED: Acknowledged.__name__,
    Stage.FILLED: Filled.__name__,
}
"""The first event of each stage."""


class ReadOrders:
    """The use cases."""

    def __init__(self, records: OrderRecords) -> None:
        self._records = records

    async def get(self, user_id: UUID, order_id: UUID) -> Json:
        """One order. Raises NotFoundError."""
        return published_order(await find(self._records, user_id, order_id))

    async def page(self, user_id: UUID, wanted: OrderFilter, limit: int) -> list[Order]:
        """Orders of the user, newest first."""
        return await self._records.page(user_id, wanted, limit)

    async def history(self, user_id: UUID, order_id: UUID) -> Json:
        """Every event of the order with its time, and the milliseconds of each stage. Raises NotFoundError."""
        order = await find(self._records, user_id, order_id)
        events = await self._records.history(user_id, order_id)
        return {"order": published_order(order), "events": events, "stages": _stages(order, events)}


async def find(records: OrderRecords, user_id: UUID, order_id: UUID) -> Order:
    """One order of the user. Raises NotFoundError."""
    order = await records.get(user_id, order_id)
    if order is None:
        raise NotFoundError("There is no such order: check the order_id")
    return order


def _stages(order: Order, events: Sequence[Json]) -> list[Json]:
    """Milliseconds from acceptance to the first event of each stage, and to the end."""
    first: dict[str, str] = {}
    for event in events:
        first.setdefault(event["event"], event["at"])
    stages = [(stage, first[event]) for stage, event in _STAGES.items() if event in first]
    if order.terminal:
        stages.append((Stage.ENDED, wire_time(order.updated_at)))
    return [{"stage": stage, "at": at, "ms": _milliseconds(order.accepted_at, at)} for stage, at in stages]


def _milliseconds(start: datetime, at: str) -> str:
    return f"{(datetime.fromisoformat(at) - start) / timedelta(milliseconds=1):.3f}"
