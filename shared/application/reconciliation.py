"""The venue's day against ours: executions by ExecID both ways, live orders against working ones.

Reports that are on their way show as differences for a moment; what stays is for operations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from typing import Final
from uuid import UUID

from shared.contracts.reconciliation import DifferenceView, ReconciliationView
from shared.domain.errors import UnavailableError
from shared.domain.money import format_rupees
from shared.domain.orders.order import AT_VENUE
from shared.json_values import Json
from shared.ports.reconciliation import Execution, LiveOrder, TradeDay, VenueRecords

_MOST_LISTED: Final = 200


class _Differences:
    """Counts all, keeps the first."""

    def __init__(self) -> None:
        self.count = 0
        self.listed: list[DifferenceView] = []

    def add(self, identity: str, venue: Json | None, ours: Json | None) -> None:
        self.count += 1
        if self.count <= _MOST_LISTED:
            self.listed.append(DifferenceView(id=identity, venue=venue, ours=ours))


class Reconciliation:
    """The use case."""

    def __init__(self, ours: TradeDay, venue: VenueRecords | None) -> None:
        self._ours = ours
        self._venue = venue

    async def run(self, venue: str, trade_date: date) -> ReconciliationView:
        """Compare one session. Raises UnavailableError when the venue's records can't be read."""
        if self._venue is None:
            raise UnavailableError("The venue's records are not configured: set EXCHANGE_API_URL", retry_after_s=60)
        executions, orders = _Differences(), _Differences()
        theirs, ours = await self._compare_executions(self._venue, venue, trade_date, executions)
        live, working = await self._compare_orders(self._venue, venue, orders)
        return ReconciliationView(
            venue=venue,
            trade_date=trade_date.isoformat(),
            equal=executions.count == orders.count == 0,
            venue_executions=theirs,
            our_executions=ours,
            execution_differences=executions.count,
            executions=executions.listed,
            venue_live_orders=live,
            our_working_orders=working,
            order_differences=orders.count,
            orders=orders.listed,
        )

    async def _compare_executions(
        self, records: VenueRecords, venue: str, trade_date: date, found: _Differences
    ) -> tuple[int, int]:
        seen: set[str] = set()
        async for page in records.executions(trade_date):
            ours = await self._ours.executions_by_id(venue, trade_date, [each.exec_id for each in page])
            seen.update(each.exec_id for each in page)
            for each in page:
                if ours.get(each.exec_id) != each:
                    found.add(each.exec_id, _execution(each), _execution(ours.get(each.exec_id)))
        count = 0
        async for our_page in self._ours.executions(venue, trade_date):
            count += len(our_page)
            for each in our_page:
                if each.exec_id not in seen:
                    found.add(each.exec_id, None, _execution(each))
        return len(seen), count

    async def _compare_orders(self, records: VenueRecords, venue: str, found: _Differences) -> tuple[int, int]:
        live: dict[str, LiveOrder] = {}
        async for page in records.live_orders():
            live.update((order.order_id, order) for order in page)
            await self._judge_live(page, found)
        count = 0
        async for our_page in self._ours.working(venue):
            count += len(our_page)
            for order in our_page:
                if order.order_id not in live:
                    found.add(order.order_id, None, asdict(order))
        return len(live), count

    async def _judge_live(self, page: Sequence[LiveOrder], found: _Differences) -> None:
        """Each must be ours and at the venue; an order that has only been submitted may be acknowledged already."""
        states = await self._ours.orders(_uuids(order.order_id for order in page))
        by_text = {str(order_id): state for order_id, state in states.items()}
        for order in page:
            state = by_text.get(order.order_id)
            if state not in AT_VENUE:
                found.add(order.order_id, asdict(order), None if state is None else {"state": state})


def _uuids(texts: Iterable[str]) -> list[UUID]:
    """An id of the venue's that is no UUID cannot be ours."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _execution(execution: Execution | None) -> Json | None:
    if execution is None:
        return None
    return {
        "order_id": execution.order_id,
        "quantity": execution.quantity,
        "price": format_rupees(execution.price),
    }
