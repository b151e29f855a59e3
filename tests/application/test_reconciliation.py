"""The venue's day against ours."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.reconciliation import PostgresTradeDay
from shared.application.reconciliation import Reconciliation
from shared.domain.orders.events import Doubted, HandedToRecovery
from shared.ports.books import Scope, Unit
from shared.ports.reconciliation import Execution, LiveOrder
from tests.fakes.reconciliation import MemoryVenue
from tests.support.busy import BusyBroker
from tests.support.values import RATE_CARDS
from tests.verify.world import DAY

_DAY = date.fromisoformat(DAY)


def _venue_of(busy: BusyBroker) -> MemoryVenue:
    executions = [
        Execution(r["exec_id"], r["order_id"], r["last_quantity"], int(Decimal(r["last_price"]) * 100))
        for r in busy.world.reports
        if r["exec_type"] == "TRADE"
    ]
    live = [
        LiveOrder(str(busy.world.id("working")), 5, 0),
        LiveOrder(str(busy.world.id("partly")), 6, 2),
    ]
    return MemoryVenue({_DAY: executions}, live)


async def _reconcile(busy: BusyBroker, venue: MemoryVenue) -> Any:
    reconciliation = Reconciliation(PostgresTradeDay(busy.database), venue)
    return await reconciliation.run("NSE", _DAY)


async def test_equal_books_have_no_difference(busy: BusyBroker) -> None:
    result = await _reconcile(busy, _venue_of(busy))
    assert result.equal
    assert (result.venue_executions, result.our_executions) == (4, 4)
    assert (result.venue_live_orders, result.our_working_orders) == (2, 2)


async def test_differences_are_named_both_ways(busy: BusyBroker) -> None:
    venue = _venue_of(busy)
    lost = venue.days[_DAY].pop(0)
    venue.days[_DAY].append(Execution("E-new", str(uuid4()), 1, 100))
    venue.live[0] = LiveOrder(str(busy.world.id("filled")), 10, 10)
    venue.live.append(LiveOrder("not-a-uuid", 1, 0))
    result = await _reconcile(busy, venue)
    assert {each.id for each in result.executions} == {lost.exec_id, "E-new"}
    assert {each.id: (each.venue is None, each.ours is None) for each in result.orders} == {
        str(busy.world.id("filled")): (False, False),
        str(busy.world.id("working")): (True, False),
        "not-a-uuid": (False, True),
    }


async def test_working_order_in_doubt_is_compared_too(busy: BusyBroker) -> None:
    key, later = busy.world.orders["working"], datetime.now(UTC) + timedelta(hours=1)

    def doubt(unit: Unit) -> None:
        for event in (HandedToRecovery(later), Doubted(later)):
            unit.books.submit(key, event)

    await PostgresBooks(busy.database, RATE_CARDS).work(Scope(orders=[key]), doubt)
    result = await _reconcile(busy, _venue_of(busy))
    assert (result.equal, result.our_working_orders) == (True, 2)
