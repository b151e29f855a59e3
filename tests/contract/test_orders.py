"""`OrderRecords`: what is known of a caller, and orders as their owner lists them."""

from itertools import product
from uuid import uuid4

from shared.domain.orders.order import Order, OrderKey, Request, State, Status, changed
from shared.ports.books import Claim, NewOrder, Scope, StoredAnswer, Unit
from shared.ports.orders import AdmissionFacts, Inquiry, OrderFilter
from tests.contract.conftest import CASH, SHARES, Store
from tests.support.broker import fresh_order
from tests.support.values import INFY, cancel_requested, refused

# Written down a second time on purpose: the order's states by what clients see, without and with a pending request.
PUBLISHED = {
    "PENDING_NEW": "ACCEPTED HELD SUBMITTED",
    "NEW": "NEW",
    "PARTIALLY_FILLED": "PARTIALLY_FILLED",
    "PENDING_CANCEL": "ACCEPTED/CANCEL HELD/CANCEL SUBMITTED/CANCEL NEW/CANCEL PARTIALLY_FILLED/CANCEL",
    "PENDING_REPLACE": "ACCEPTED/REPLACE HELD/REPLACE SUBMITTED/REPLACE NEW/REPLACE PARTIALLY_FILLED/REPLACE",
    "FILLED": "FILLED FILLED/CANCEL FILLED/REPLACE",
    "CANCELED": "CANCELED CANCELED/CANCEL CANCELED/REPLACE",
    "REJECTED": "REJECTED REJECTED/CANCEL REJECTED/REPLACE",
    "EXPIRED": "EXPIRED EXPIRED/CANCEL EXPIRED/REPLACE",
}


async def test_every_order_is_listed_under_its_published_status(store: Store) -> None:
    user_id = await store.open()
    named = {}
    for state, pending in product(State, (None, *Request)):
        key = await store.place(user_id)
        await store.rewrite(key, lambda o, s=state, p=pending: changed(o, state=s, pending_request=p))
        named[key.order_id] = state.value if pending is None else f"{state}/{pending}"
    listed = {
        status.value: {named[order.order_id] for order in await store.orders.page(user_id, OrderFilter(status), 99)}
        for status in Status
    }
    assert listed == {status: set(standings.split()) for status, standings in PUBLISHED.items()}
    assert len(await store.orders.page(user_id, OrderFilter(), 99)) == len(named) == 27


async def test_orders_are_listed_newest_first_by_page(store: Store) -> None:
    user_id, other = await store.open(), await store.open()
    keys = [await store.place(user_id) for _ in range(5)]
    await store.place(other)
    seen, before = [], None
    while page := await store.orders.page(user_id, OrderFilter(before=before), 2):
        seen += [order.key for order in page]
        before = page[-1].order_id
    assert seen == keys[::-1]


async def test_orders_of_one_instant_are_listed_by_id(store: Store) -> None:
    user_id = await store.open()

    def together(unit: Unit) -> list[OrderKey]:
        orders = [fresh_order(user_id=user_id, accepted_at=unit.books.at) for _ in range(3)]
        return [_on_record(unit, order) for order in orders]

    keys, _ = await store.books.work(Scope(users=[user_id]), together)
    first = (await store.orders.page(user_id, OrderFilter(), 1))[0]
    rest = await store.orders.page(user_id, OrderFilter(before=first.order_id), 9)
    assert [order.key for order in (first, *rest)] == sorted(keys, reverse=True)


def _on_record(unit: Unit, order: Order) -> OrderKey:
    unit.books.open_order(order)
    unit.orders.new.append(NewOrder(order, None, StoredAnswer(order.order_id, b"", 202, "{}")))
    return order.key


async def test_filters_of_a_list_hold_together(store: Store) -> None:
    user_id = await store.open()
    infy, tcs, ended, leaving = [
        await store.place(user_id, instrument_id=f"NSE:{symbol}") for symbol in ("INFY", "TCS", "TCS", "TCS")
    ]
    await store.submit(ended, refused())
    await store.send(await store.take_waiting(), leaving)
    await store.submit(leaving, cancel_requested())
    for wanted, expected in {
        OrderFilter(instrument_id="NSE:TCS"): [leaving, ended, tcs],
        OrderFilter(Status.PENDING_CANCEL): [leaving],
        OrderFilter(Status.PENDING_CANCEL, "NSE:TCS"): [leaving],
        OrderFilter(Status.PENDING_NEW, "NSE:TCS"): [tcs],
        OrderFilter(Status.PENDING_NEW): [tcs, infy],
        OrderFilter(Status.REJECTED, "NSE:TCS"): [ended],
        OrderFilter(Status.REJECTED, "NSE:INFY"): [],
        OrderFilter(instrument_id="NSE:TC_"): [],
    }.items():
        assert [order.key for order in await store.orders.page(user_id, wanted, 9)] == expected


async def test_an_order_is_its_owners_alone(store: Store) -> None:
    user_id, other = await store.open(), await store.open()
    key = await store.place(user_id)
    assert await store.orders.get(other, key.order_id) is None
    assert await store.orders.history(other, key.order_id) == []
    assert await store.orders.page(other, OrderFilter(), 9) == []


async def test_history_has_every_event_oldest_first(store: Store) -> None:
    key = await store.place(await store.open())
    saga_id = await store.take_waiting()
    await store.send(saga_id, key)
    await store.submit(key, cancel_requested())
    lines = await store.orders.history(*key)
    assert [(each["revision"], each["version"], each["event"], each["state"]) for each in lines] == [
        (1, 1, "Accepted", "ACCEPTED"),
        (2, 1, "FundsHeld", "HELD"),
        (3, 1, "Submitted", "SUBMITTED"),
        (4, 2, "CancelRequested", "SUBMITTED"),
    ]
    held = lines[1]["detail"]
    assert (held["saga_id"], held["account"], held["asset"]) == (str(saga_id), "client.cash", "INR")
    assert 1_500_000 < held["held"] < 1_510_000
    assert [each["at"] for each in lines] == sorted(each["at"] for each in lines)


async def test_admission_facts_are_each_callers_own(store: Store) -> None:
    rich, poor, stranger = await store.open(), await store.open("SUBMITTED", cash=5, shares=1), uuid4()
    first = await store.take(rich, "key", client_order_id="mine")
    await store.send(await store.take_waiting(), OrderKey(rich, first.order_id))
    asked = [
        Inquiry(Claim(rich, "key", "mine"), INFY),
        Inquiry(Claim(poor, "key", "mine"), INFY),
        Inquiry(Claim(stranger, None, None), INFY),
        Inquiry(Claim(rich, "another", None), "INE467B01029"),
    ]
    facts = await store.orders.inquire(asked)
    held = CASH - facts[0].available_cash
    assert 1_500_000 < held < 1_510_000
    assert facts == [
        AdmissionFacts("ACTIVE", CASH - held, SHARES, first, first.order_id, 3),
        AdmissionFacts("SUBMITTED", 5, 1, None, None, 1),
        AdmissionFacts(None, 0, 0, None, None, 0),
        AdmissionFacts("ACTIVE", CASH - held, 0, None, None, 3),
    ]
