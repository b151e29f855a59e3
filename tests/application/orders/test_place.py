"""Placing an order, from the call to what is on record and to what is started, with every port in memory."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from shared.adapters.reference import load_reference_data
from shared.application.orders import place as place_module
from shared.application.orders.judge import PlaceCall, Rules
from shared.application.orders.place import PLACE_ORDER, Placed
from shared.contracts.orders import PlaceOrder
from shared.domain.charges.rate_cards import RateCards
from shared.domain.errors import (
    IdempotencyKeyReusedError,
    KycRequiredError,
    OverloadedError,
    RateLimitedError,
    UnavailableError,
)
from shared.domain.ids import order_slot, user_slot
from shared.domain.instruments.instrument import EQUITY
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.kyc import KycStatus
from shared.domain.money import format_rupees
from shared.domain.orders.events import Acknowledged, Deadlines, FundsHeld, Submitted
from shared.domain.orders.order import Order, OrderKey, Owner, State
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.risk import LimitsBook
from shared.domain.orders.terms import OrderType, Product, Side, Terms, TimeInForce
from shared.ports.books import Scope, Unit
from tests.fakes.market import CONTINUOUS, FixedMarket
from tests.fakes.rate_limits import CountingLimiter
from tests.fakes.trading import MemoryTrading
from tests.support.facts import CARD, INFY, VIOLATIONS, violating
from tests.support.values import refused
from tests.support.waiting import eventually

PLENTY, SHARES = 10**10, 1_000
NSE = load_reference_data().calendars["nse"]


def call(user_id: UUID, key: str | None = None, wait_s: float = 0.0, **changes: Any) -> PlaceCall:
    """BUY 10 INFY at 1,500 rupees, but for the changes."""
    body = {
        "instrument_id": "NSE:INFY",
        "side": "BUY",
        "order_type": "LIMIT",
        "product": "CNC",
        "quantity": 10,
        "price": "1500.00",
    } | changes
    sent = orjson.dumps({name: value for name, value in body.items() if value is not None})
    return PlaceCall(user_id, PlaceOrder.model_validate_json(sent), key, "request-1", wait_s)


async def place(broker: MemoryTrading, placing: PlaceCall) -> Placed:
    return await broker.use_cases.place_orders.place(placing, broker.sagas)


async def settled(broker: MemoryTrading) -> None:
    """What goes on behind the answer is over: everything is published, nothing waits for a saga."""
    await broker.use_cases.dispatcher.run(broker.sagas)
    await eventually(lambda: not broker.memory.commits or broker.wakeups.away)


def market_at(shown: datetime, calendar: Any = CONTINUOUS) -> FixedMarket:
    return FixedMarket({EQUITY: calendar}, shown - datetime.now(UTC))


@pytest.fixture
async def broker() -> AsyncIterator[MemoryTrading]:
    made = MemoryTrading()
    yield made
    await settled(made)


@pytest.fixture
async def user(broker: MemoryTrading) -> UUID:
    return await broker.open(PLENTY, SHARES, INFY.security_id)


async def test_order_is_on_record_as_it_was_asked_for(broker: MemoryTrading, user: UUID) -> None:
    asked = call(user, "key", client_order_id="mine", tag="a tag", side="SELL", time_in_force="IOC")
    placed = await place(broker, asked)
    order = broker.memory.orders[OrderKey(user, placed.order_id)]
    assert order.terms == Terms(
        instrument_id="NSE:INFY",
        security_id="INE009A01021",
        segment="EQ",
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        product=Product.CNC,
        time_in_force=TimeInForce.IOC,
        quantity=10,
        price=150_000,
        limit_price=150_000,
    )
    assert (order.state, order.owner, order.client_order_id, order.tag) == (
        State.ACCEPTED,
        Owner.DISPATCHER,
        "mine",
        "a tag",
    )
    assert order.trade_date == CONTINUOUS.trade_date(order.accepted_at).isoformat()
    assert order.deadline is not None
    assert timedelta(0) <= order.accepted_at + broker.timing.saga - order.deadline < timedelta(seconds=1)
    assert order_slot(order.order_id) == user_slot(user)
    assert (placed.status, placed.replayed, placed.rate_limit.remaining) == (202, False, 999)  # type: ignore[union-attr]
    assert orjson.loads(placed.body)["status"] == "PENDING_NEW"


async def test_market_order_is_kept_at_its_protection_price(broker: MemoryTrading, user: UUID) -> None:
    placed = await place(broker, call(user, order_type="MARKET", price=None))
    terms = broker.memory.orders[OrderKey(user, placed.order_id)].terms
    assert (terms.order_type, terms.price) == (OrderType.MARKET, None)
    assert terms.limit_price > INFY.reference_price_paise


async def test_market_order_is_protected_by_the_live_price() -> None:
    asked: list[str] = []

    class LastPrices:
        async def last_price(self, instrument_id: str) -> int | None:
            asked.append(instrument_id)
            return 140_000

    broker = MemoryTrading(last_prices=LastPrices())
    user = await broker.open(PLENTY, SHARES, INFY.security_id)
    placed = await place(broker, call(user, order_type="MARKET", price=None))
    assert broker.memory.orders[OrderKey(user, placed.order_id)].terms.limit_price == 147_000
    await place(broker, call(user))
    assert asked == ["NSE:INFY"], "a LIMIT order needs no price of ours"


async def test_accepted_order_is_published_and_its_saga_started(broker: MemoryTrading, user: UUID) -> None:
    async with broker.wakeups.watch(user) as changes:
        placed = await place(broker, call(user))
        assert await changes.next(5)
    await eventually(lambda: broker.sagas.started)
    (saga_id,) = broker.sagas.started
    assert broker.memory.sagas[saga_id].members == [OrderKey(user, placed.order_id)]


@pytest.mark.parametrize("away", ["wakeups", "sagas"])
async def test_what_follows_the_answer_never_spoils_it(broker: MemoryTrading, user: UUID, away: str) -> None:
    getattr(broker, away).away = True
    assert (await place(broker, call(user))).status == 202
    await settled(broker)
    assert bool(broker.memory.commits) == (away == "wakeups")


@pytest.mark.parametrize("status", [None, *(each for each in KycStatus if each is not KycStatus.ACTIVE)])
async def test_only_active_clients_are_let_in(broker: MemoryTrading, status: KycStatus | None) -> None:
    user = uuid4() if status is None else await broker.open(PLENTY, SHARES, INFY.security_id, status)
    with pytest.raises(KycRequiredError) as refused:
        await place(broker, call(user))
    assert refused.value.details == {"kyc_status": status or KycStatus.NOT_STARTED}
    assert (broker.memory.orders, broker.limiter.spent) == ({}, [])


@pytest.mark.parametrize("client_order_id", [None, "mine"])
async def test_repeated_key_gets_the_first_answer_again(
    broker: MemoryTrading, user: UUID, client_order_id: str | None
) -> None:
    asked = call(user, "key", client_order_id=client_order_id)
    first = await place(broker, asked)
    again = await place(broker, asked)
    assert (again.status, again.body, again.order_id) == (first.status, first.body, first.order_id)
    assert (again.replayed, again.rate_limit) == (True, None)
    await settled(broker)
    assert len(broker.memory.orders) == len(broker.limiter.spent) == len(broker.sagas.started) == 1


async def test_refusal_is_replayed_under_its_key(broker: MemoryTrading, user: UUID) -> None:
    asked = call(user, "key", price="1500.03")
    first, again = await place(broker, asked), await place(broker, asked)
    assert (first.status, again.status, again.body, again.replayed) == (422, 422, first.body, True)
    assert len(broker.memory.orders) == 1


async def test_key_of_another_body_is_refused(broker: MemoryTrading, user: UUID) -> None:
    await place(broker, call(user, "key"))
    with pytest.raises(IdempotencyKeyReusedError):
        await place(broker, call(user, "key", quantity=11))
    assert len(broker.memory.orders) == 1


async def test_key_of_another_user_is_another_key(broker: MemoryTrading, user: UUID) -> None:
    other = await broker.open(PLENTY, SHARES, INFY.security_id)
    placed = [await place(broker, call(each, "key")) for each in (user, other)]
    assert [each.replayed for each in placed] == [False, False]


async def test_twin_keys_at_once_make_one_order(broker: MemoryTrading, user: UUID) -> None:
    answers = await asyncio.gather(*(place(broker, call(user, "key")) for _ in range(8)))
    assert len({(each.order_id, each.body) for each in answers}) == len(broker.memory.orders) == 1
    assert sorted(each.replayed for each in answers) == [False] + [True] * 7


async def test_calls_beyond_the_rate_limit_leave_nothing() -> None:
    broker = MemoryTrading(limiter=CountingLimiter(limit=2))
    user = await broker.open(PLENTY, SHARES, INFY.security_id)
    placed = [await place(broker, call(user, key)) for key in ("1", "2")]
    with pytest.raises(RateLimitedError):
        await place(broker, call(user, "3"))
    assert [each.rate_limit.remaining for each in placed] == [1, 0]  # type: ignore[union-attr]
    assert broker.limiter.spent == [(user, PLACE_ORDER)] * 2
    assert len(broker.memory.orders) == 2
    # A stored answer costs no call.
    assert (await place(broker, call(user, "1"))).replayed
    await settled(broker)


@pytest.mark.parametrize("code", VIOLATIONS)
async def test_every_refusal_is_on_record_with_its_answer(code: RejectCode) -> None:
    terms, facts = violating({code})
    instruments = InstrumentMaster([] if facts.instrument is None else [facts.instrument])
    sunday = datetime(2026, 11, 22, tzinfo=UTC)
    market = market_at(facts.now) if facts.session_open else market_at(sunday, NSE)
    broker = MemoryTrading(Rules(instruments, LimitsBook([facts.limits]), RateCards([CARD])), market)
    user = await broker.open(facts.available_cash_paise, facts.free_quantity, INFY.security_id)
    asked = call(
        user,
        "key",
        side=terms.side,
        order_type=terms.order_type,
        product=terms.product,
        time_in_force=terms.time_in_force,
        price=format_rupees(terms.price),
        client_order_id="mine" if facts.client_order_id_used_by else None,
    )
    if facts.client_order_id_used_by:
        await place(broker, call(user, "an earlier one", client_order_id="mine"))
    await settled(broker)
    known = set(broker.memory.orders)

    placed = await place(broker, asked)

    (key,) = broker.memory.orders.keys() - known
    order = broker.memory.orders[key]
    problem = orjson.loads(placed.body)
    assert (placed.status, placed.order_id, placed.rate_limit is None) == (422, order.order_id, False)
    assert (problem["error_code"], problem["request_id"]) == ("ORDER_REJECTED", "request-1")
    assert problem["details"]["reject_code"] == code
    assert problem["instance"] == f"/api/orders/{order.order_id}"
    assert (order.state, order.owner, order.deadline, order.reject_code) == (State.REJECTED, Owner.NOBODY, None, code)
    assert order.status_message == problem["message"]
    assert order.client_order_id is None
    await settled(broker)
    assert len(broker.sagas.started) == len(known)
    assert broker.exchange.sent == []


@pytest.mark.parametrize("shown", [datetime(2025, 6, 2, 6, tzinfo=UTC), datetime(1995, 1, 2, 6, tzinfo=UTC)])
async def test_dates_without_tables_are_unavailable(shown: datetime) -> None:
    broker = MemoryTrading(market=market_at(shown))
    user = await broker.open(PLENTY, SHARES, INFY.security_id)
    with pytest.raises(UnavailableError, match=f"No order is taken for {shown:%Y-%m-%d}") as refused:
        await place(broker, call(user))
    assert refused.value.retry_after_s == 60
    assert broker.memory.orders == {}


async def test_orders_beyond_the_room_are_refused_at_once(
    broker: MemoryTrading, user: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_module, "_MOST_ENTERING", 3)
    asked, answer, work = 0, asyncio.Event(), broker.books.work

    async def slow(*arguments: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        await answer.wait()
        return await work(*arguments, **options)

    monkeypatch.setattr(broker.books, "work", slow)
    entered = [asyncio.create_task(place(broker, call(user))) for _ in range(3)]
    await eventually(lambda: asked)
    with pytest.raises(OverloadedError) as refused:
        await place(broker, call(user))
    assert refused.value.retry_after_s >= 1
    answer.set()
    assert [each.status for each in await asyncio.gather(*entered)] == [202] * 3
    assert (await place(broker, call(user))).status == 202


async def test_failed_call_gives_its_room_back(broker: MemoryTrading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_module, "_MOST_ENTERING", 1)
    for _ in range(2):
        with pytest.raises(KycRequiredError):
            await place(broker, call(uuid4()))


async def answered(broker: MemoryTrading, key: OrderKey, *events: Any) -> Order:
    """The exchange's answer, and the wake-up that follows it."""

    def work(unit: Unit) -> Order:
        for event in events:
            order = unit.books.submit(key, event)
        return order

    order, committed = await broker.books.work(Scope(orders=[key]), work)
    await broker.use_cases.publisher.publish(committed, broker.sagas)
    return order


def acknowledgement() -> list[Any]:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    return [FundsHeld(uuid4(), soon), Submitted(soon, soon), Acknowledged("X1", 0, Deadlines(soon, soon))]


@pytest.mark.parametrize(("events", "status"), [(acknowledgement(), "NEW"), ([refused()], "REJECTED")])
@pytest.mark.parametrize("hint", [True, False])
async def test_caller_who_waits_gets_the_answered_order(
    broker: MemoryTrading, user: UUID, events: list[Any], status: str, hint: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_module, "_POLL_S", 30 if hint else 0.001)
    waiting = asyncio.create_task(place(broker, call(user, wait_s=30)))
    await eventually(lambda: broker.wakeups.watches[user])
    broker.wakeups.away = not hint
    (key,) = broker.memory.orders
    await answered(broker, key, *events)
    async with asyncio.timeout(5):
        placed = await waiting
    body = orjson.loads(placed.body)
    assert (placed.status, body["order"]["status"], body["order"]["order_id"]) == (202, status, str(key.order_id))


async def test_caller_whose_time_is_over_gets_the_order_as_it_is(broker: MemoryTrading, user: UUID) -> None:
    placed = await place(broker, call(user, wait_s=1e-9))
    assert orjson.loads(placed.body)["order"]["status"] == "PENDING_NEW"
    assert not broker.wakeups.watches[user]


async def test_refused_order_is_not_waited_for(broker: MemoryTrading, user: UUID) -> None:
    async with asyncio.timeout(5):
        placed = await place(broker, call(user, wait_s=30, price="1500.03"))
    assert (placed.status, orjson.loads(placed.body)["error_code"]) == (422, "ORDER_REJECTED")
