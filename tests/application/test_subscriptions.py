"""Subscriptions: whose connection it is, which groups follow from what is wanted, and what a lease remembers."""

import pytest

from shared.application.quotes.board import QuoteBoard
from shared.application.subscriptions import Subscriptions
from shared.domain.errors import NotFoundError, UnavailableError
from shared.domain.market_data.shards import ShardMap
from tests.fakes.hubs import MemoryMemberships
from tests.fakes.market import FixedMarket
from tests.fakes.quotes import MemoryQuotes
from tests.support.values import ALICE, BOB

SHARDS = ShardMap([("s000", "NSE:INFY"), ("s000", "NSE:TCS"), ("s001", "NSE:ITC")])

BOARD = QuoteBoard(MemoryQuotes(), SHARDS, FixedMarket())


@pytest.fixture
def memberships() -> MemoryMemberships:
    return MemoryMemberships({"hers": ALICE, "his": BOB})


@pytest.fixture
def subscriptions(memberships: MemoryMemberships) -> Subscriptions:
    return Subscriptions(memberships, SHARDS, BOARD)


async def test_one_call_subscribes_to_exactly_what_it_names(
    subscriptions: Subscriptions, memberships: MemoryMemberships
) -> None:
    view = await subscriptions.subscribe(ALICE, "hers", ["NSE:INFY"], ["s001"], background=False)
    assert (view.instruments, view.shards, view.background, view.lease_s) == (["NSE:INFY"], ["s001"], False, 120)
    assert memberships.joined["hers"] == {"i:NSE:INFY", "s:s001", "h:s000", "h:s001"}
    view = await subscriptions.subscribe(ALICE, "hers", ["NSE:TCS"], ["s001"], background=True)
    assert (view.instruments, view.shards, view.background) == (["NSE:TCS"], ["s001"], True)
    assert memberships.joined["hers"] == {"i:NSE:TCS", "b:s001", "h:s000", "h:s001"}


async def test_what_is_left_alone_stays_subscribed(
    subscriptions: Subscriptions, memberships: MemoryMemberships
) -> None:
    await subscriptions.subscribe(ALICE, "hers", ["NSE:INFY", "NSE:ITC"], ["s000"], background=False)
    view = await subscriptions.unsubscribe(ALICE, "hers", ["NSE:INFY"], None)
    assert (view.instruments, view.shards) == (["NSE:ITC"], ["s000"])
    view = await subscriptions.unsubscribe(ALICE, "hers", ["NSE:TCS"], ["s000"])
    assert memberships.joined["hers"] == {"i:NSE:ITC", "h:s001"}
    view = await subscriptions.unsubscribe(ALICE, "hers", None, None)
    assert (view.instruments, view.shards, memberships.joined["hers"]) == ([], [], set())


@pytest.mark.parametrize("connection", ["his", "nobody's"])
async def test_connections_of_others_are_refused_always(
    subscriptions: Subscriptions, memberships: MemoryMemberships, connection: str
) -> None:
    for _ in range(2):
        with pytest.raises(NotFoundError):
            await subscriptions.subscribe(ALICE, connection, ["NSE:INFY"], [], background=False)
        with pytest.raises(NotFoundError):
            await subscriptions.unsubscribe(ALICE, connection, None, None)
        if connection == "his":
            await subscriptions.subscribe(BOB, connection, [], ["s000"], background=False)
    assert "hers" not in memberships.joined


async def test_connection_that_ended_is_not_found(subscriptions: Subscriptions, memberships: MemoryMemberships) -> None:
    await subscriptions.subscribe(ALICE, "hers", [], ["s000"], background=False)
    del memberships.connections["hers"]
    with pytest.raises(NotFoundError):
        await subscriptions.subscribe(ALICE, "hers", ["NSE:INFY"], ["s000"], background=False)


@pytest.mark.parametrize(("instruments", "shards"), [(["NSE:X"], []), ([], ["s9"])])
async def test_what_the_feed_lacks_is_named(
    subscriptions: Subscriptions, instruments: list[str], shards: list[str]
) -> None:
    with pytest.raises(NotFoundError, match=(instruments + shards)[0]):
        await subscriptions.subscribe(ALICE, "hers", instruments, shards, background=False)


async def test_broker_without_hubs_points_to_the_ticker() -> None:
    with pytest.raises(UnavailableError, match="marketdata/stream"):
        await Subscriptions(None, SHARDS, BOARD).unsubscribe(ALICE, "hers", None, None)
