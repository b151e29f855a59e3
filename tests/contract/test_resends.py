"""`Resends`: the trades of a venue in which INFY has traded twice in one minute and once in the next."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from emulators.tests.durable.support import serving
from shared.adapters.exchange.resends import HttpResends
from shared.domain.errors import UnavailableError
from shared.domain.market_data.candles import MINUTE_US, minute_of
from shared.ports.resends import Resends
from simulators.exchange.admin import AdminApi
from simulators.exchange.store import migrate
from tests.exchange.support import MONDAY, FixedClock, MemoryBus, new, running
from tests.support.databases import Template
from tests.support.tape import Tape

INFY = "NSE:INFY"
_MINUTE = minute_of(int(MONDAY.timestamp()) * 1_000_000)
_QUANTITIES = (4, 3, 5)


@dataclass(frozen=True)
class Venue:
    """Its resends, its epoch, and the newest sequence of INFY in it."""

    resends: Resends
    epoch: int
    sequence: int


@pytest.fixture
async def memory_venue() -> Venue:
    tape = Tape("s000", (INFY,), now=_MINUTE)
    for number, quantity in enumerate(_QUANTITIES):
        tape.now = _MINUTE + (number // 2) * MINUTE_US
        tape.happen(INFY, 1500_00, quantity)
    return Venue(tape, tape.epoch, tape.sequence(INFY))


@pytest.fixture(scope="session")
def tape_template(migrated: Template) -> Template:
    url = migrated.server.create_database("venue_of_resends")
    migrate(url)
    return Template.of(migrated.server, url)


@pytest.fixture
async def simulated_venue(tape_template: Template) -> AsyncIterator[Venue]:
    url = tape_template.copy()
    clock = FixedClock(MONDAY)
    async with running(url, bus=MemoryBus(), clock=clock) as venue:
        subscription = venue.gateway.feed.subscribe()
        for number, quantity in enumerate(_QUANTITIES):
            clock.now = MONDAY + timedelta(minutes=number // 2)
            await venue.ask(new(quantity=quantity), new(side="SELL", quantity=quantity))
        feed = venue.gateway.feed
        app = AdminApi(venue.gateway, url).app()
        async with app.router.lifespan_context(app), serving(app) as base:
            yield Venue(HttpResends(base), feed.epoch, feed.sequences[INFY])
        subscription.close()
    tape_template.drop(url)


@pytest.fixture(params=["memory", "simulated"])
def venue(request: pytest.FixtureRequest) -> Venue:
    return request.getfixturevalue(f"{request.param}_venue")


async def test_trades_come_in_pages_in_their_order(venue: Venue) -> None:
    quantities, after = [], 0
    for _ in _QUANTITIES:
        page = await venue.resends.after(INFY, venue.epoch, after, most=1)
        assert page is not None
        quantities += [each.quantity for each in page.trades]
        assert page.through == (venue.epoch, venue.sequence)
        after = page.trades[-1].sequence
    assert quantities == list(_QUANTITIES)
    last = await venue.resends.after(INFY, venue.epoch, venue.sequence)
    assert last is not None
    assert (list(last.trades), last.next_after) == ([], None)


async def test_minute_has_its_trades_alone(venue: Venue) -> None:
    minutes = [await venue.resends.of_minute(INFY, _MINUTE + each * MINUTE_US) for each in range(3)]
    found = [[each.quantity for each in page.trades] if page else None for page in minutes]
    assert found == [[4, 3], [5], []]


async def test_what_the_venue_does_not_know_is_none(venue: Venue) -> None:
    assert await venue.resends.after(INFY, venue.epoch + 1, 0) is None
    assert await venue.resends.after("NSE:NONE", venue.epoch, 0) is None
    assert await venue.resends.of_minute("NSE:NONE", _MINUTE) is None


async def test_venue_that_is_away_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        await HttpResends("http://127.0.0.1:1").of_minute(INFY, _MINUTE)
