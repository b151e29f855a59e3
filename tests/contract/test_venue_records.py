"""`VenueRecords`: what traded, what lives and how an order stands, at a venue in which two orders met."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from emulators.tests.durable.support import serving
from shared.adapters.exchange.records import HttpVenueRecords
from shared.domain.errors import UnavailableError
from shared.domain.money import parse_rupees
from shared.ports.reconciliation import Execution, LiveOrder, VenueOrder, VenueRecords
from simulators.exchange.admin import AdminApi
from simulators.exchange.store import migrate
from tests.exchange.support import about, new, running
from tests.fakes.reconciliation import MemoryVenue
from tests.support.databases import Template

DAY, ANOTHER = date(2026, 11, 23), date(2026, 11, 20)


@dataclass(frozen=True)
class Venue:
    """Its records, its orders by name, and the reports of its trades."""

    records: VenueRecords
    orders: dict[str, UUID]
    executions: set[Execution]


_BUY, _SELL, _ENDED = new(quantity=10), new(side="SELL", quantity=4), new(price="1400.00")
_ORDERS = {"buy": UUID(_BUY["order_id"]), "sell": UUID(_SELL["order_id"]), "ended": UUID(_ENDED["order_id"])}


@pytest.fixture
def memory_venue() -> Venue:
    executions = {Execution(uuid4().hex, str(_ORDERS[name]), 4, 150_000) for name in ("buy", "sell")}
    orders = {
        _ORDERS["buy"]: VenueOrder("PARTIALLY_FILLED", 4),
        _ORDERS["sell"]: VenueOrder("FILLED", 4),
        _ORDERS["ended"]: VenueOrder("CANCELED", 0),
    }
    live = [LiveOrder(str(_ORDERS["buy"]), 10, 4)]
    return Venue(MemoryVenue({DAY: list(executions)}, live, orders), _ORDERS, executions)


@pytest.fixture(scope="session")
def venue_template(migrated: Template) -> Template:
    url = migrated.server.create_database("venue_of_contract")
    migrate(url)
    return Template.of(migrated.server, url)


@pytest.fixture
async def simulated_venue(venue_template: Template) -> AsyncIterator[Venue]:
    url = venue_template.copy()
    async with running(url) as venue:
        reports: list[dict[str, Any]] = await venue.ask(_BUY, _SELL, _ENDED, about(_ENDED, "CANCEL"))
        app = AdminApi(venue.gateway, url).app()
        async with app.router.lifespan_context(app), serving(app) as base:
            yield Venue(HttpVenueRecords(base), _ORDERS, set(_executions(reports)))
    venue_template.drop(url)


def _executions(reports: list[dict[str, Any]]) -> list[Execution]:
    return [
        Execution(each["exec_id"], each["order_id"], each["last_quantity"], parse_rupees(each["last_price"]))
        for each in reports
        if each["exec_type"] == "TRADE"
    ]


@pytest.fixture(params=["memory", "simulated"])
def venue(request: pytest.FixtureRequest) -> Venue:
    return request.getfixturevalue(f"{request.param}_venue")


async def test_executions_are_those_of_their_day(venue: Venue) -> None:
    found = [each async for page in venue.records.executions(DAY) for each in page]
    assert len(found) == len(venue.executions) == 2
    assert set(found) == venue.executions
    assert [each async for page in venue.records.executions(ANOTHER) for each in page] == []


async def test_live_orders_are_those_that_can_still_trade(venue: Venue) -> None:
    found = [each async for page in venue.records.live_orders() for each in page]
    assert found == [LiveOrder(str(venue.orders["buy"]), 10, 4)]


async def test_an_order_stands_as_the_venue_has_it(venue: Venue) -> None:
    stands = {name: await venue.records.order(order_id) for name, order_id in venue.orders.items()}
    assert stands == {
        "buy": VenueOrder("PARTIALLY_FILLED", 4),
        "sell": VenueOrder("FILLED", 4),
        "ended": VenueOrder("CANCELED", 0),
    }
    assert await venue.records.order(uuid4()) is None


_AWAY: dict[str, Callable[[], VenueRecords]] = {
    "memory": lambda: MemoryVenue(away=True),
    "http": lambda: HttpVenueRecords("http://127.0.0.1:1"),
}


@pytest.mark.parametrize("implementation", _AWAY)
async def test_venue_that_is_away_is_unavailable(implementation: str) -> None:
    records = _AWAY[implementation]()
    with pytest.raises(UnavailableError):
        _ = [page async for page in records.executions(DAY)]
    with pytest.raises(UnavailableError):
        _ = [page async for page in records.live_orders()]
    with pytest.raises(UnavailableError):
        await records.order(uuid4())
