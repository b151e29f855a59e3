"""A list of orders in one call, on PostgreSQL: judged alone, in order, in one commit, replayed byte for byte."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.reference import load_reference_data
from shared.application.orders import answers
from shared.application.orders.intake import Candidate
from shared.application.orders.judge import Judge, PlaceCall, Rules, Surroundings, calls_of_list
from shared.application.orders.place import Placed, PlacedList, PlaceOrders
from shared.contracts.orders import PlaceOrder, PlaceOrderList
from shared.contracts.problems import entry_of
from shared.domain.errors import IdempotencyKeyReusedError, RateLimitedError
from shared.domain.orders.order import Order
from shared.ports.rate_limits import RateLimit
from tests.support.broker import CALENDARS, Broker, a_candidate
from tests.support.values import ALICE

DATA = load_reference_data()
GOOD = {
    "instrument_id": "NSE:INFY",
    "side": "BUY",
    "order_type": "LIMIT",
    "product": "CNC",
    "quantity": 1,
    "price": "1500.00",
}
OFF_TICK = GOOD | {"price": "1500.03"}
NAMED = GOOD | {"client_order_id": "mine"}


class Allowance:
    """So many orders may be counted."""

    def __init__(self, left: int = 100) -> None:
        self.left = left

    async def spend(self, user_id: UUID, route: str) -> RateLimit:
        assert route == "POST /api/orders"
        if self.left == 0:
            raise RateLimitedError("The limit is used up", retry_after_s=9, details={"limit": 60, "window_s": 60})
        self.left -= 1
        return RateLimit(60, self.left, 60)


def placing(broker: Broker, database: Database, allowance: Allowance | None = None) -> PlaceOrders:
    nobody: Any = None
    return PlaceOrders(
        books=broker.books,
        records=broker.orders,
        rules=Rules(DATA.instruments, DATA.limits, DATA.rate_cards),
        market=PostgresMarket(database, CALENDARS),
        limiter=allowance or Allowance(),
        publisher=broker.publisher,
        dispatcher=broker.dispatcher,
        wakeups=nobody,
        positions=nobody,
        timing=broker.timing,
    )


def calls(*orders: dict[str, Any], key: str | None = "list-1") -> Sequence[PlaceCall]:
    return calls_of_list(ALICE, PlaceOrderList.model_validate_json(orjson.dumps({"orders": orders})), key, "r-1")


def statuses(placed: PlacedList) -> list[int]:
    return [item.status if isinstance(item, Placed) else entry_of(item).status for item in placed.items]


async def test_each_order_is_judged_alone_in_one_commit(broker: Broker, database: Database):
    before = broker.value("SELECT count(*) FROM effects_outbox")
    placed = await placing(broker, database).place_list(calls(GOOD, OFF_TICK, NAMED, NAMED), broker.sagas)
    assert statuses(placed) == [202, 422, 202, 422]
    assert broker.value("SELECT count(*) FROM effects_outbox") + len(broker.audience.published) > before
    orders = "orders JOIN order_answers USING (user_id, order_id)"
    rows = f"SELECT idempotency_key, state, accepted_at FROM {orders} ORDER BY idempotency_key"
    keys, states, times = zip(*broker.rows(rows), strict=True)
    assert keys == ("list-1\n0", "list-1\n1", "list-1\n2", "list-1\n3")
    assert [state == "REJECTED" for state in states] == [False, True, False, True]
    assert len(set(times)) == 1


async def test_repeated_list_gets_the_same_bytes(broker: Broker, database: Database):
    orders = placing(broker, database)
    first = await orders.place_list(calls(GOOD, OFF_TICK), broker.sagas)
    again = await orders.place_list(calls(GOOD, OFF_TICK), broker.sagas)
    assert [(item.status, item.body) for item in first.items] == [(item.status, item.body) for item in again.items]
    assert all(isinstance(item, Placed) and item.replayed for item in again.items)
    assert broker.value("SELECT count(*) FROM orders") == 2


@pytest.mark.parametrize("other", [(GOOD, GOOD, GOOD), (GOOD,), (GOOD, OFF_TICK)])
async def test_key_of_another_list_records_nothing(
    broker: Broker, database: Database, other: tuple[dict[str, Any], ...]
):
    orders = placing(broker, database)
    await orders.place_list(calls(GOOD, GOOD), broker.sagas)
    with pytest.raises(IdempotencyKeyReusedError):
        await orders.place_list(calls(*other), broker.sagas)
    assert broker.value("SELECT count(*) FROM orders") == 2


async def test_racing_lists_under_one_key_leave_one(broker: Broker, other: Broker, database: Database):
    lists = (calls(GOOD, GOOD), calls(GOOD, GOOD, GOOD))
    results = await asyncio.gather(
        *(
            placing(each, database).place_list(mine, each.sagas)
            for each, mine in zip((broker, other), lists, strict=True)
        ),
        return_exceptions=True,
    )
    (won,) = [result for result in results if isinstance(result, PlacedList)]
    assert broker.value("SELECT count(*) FROM orders") == len(won.items)


async def test_orders_over_the_limit_can_be_repeated(broker: Broker, database: Database):
    allowance = Allowance(2)
    orders = placing(broker, database, allowance)
    assert statuses(await orders.place_list(calls(GOOD, GOOD, GOOD), broker.sagas)) == [202, 202, 429]
    allowance.left = 5
    again = await orders.place_list(calls(GOOD, GOOD, GOOD), broker.sagas)
    assert statuses(again) == [202, 202, 202]
    assert [isinstance(item, Placed) and item.replayed for item in again.items] == [True, True, False]
    assert allowance.left == 4


def break_look_up(orders: PlaceOrders, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Judge.surroundings

    async def surroundings(self: Judge, command: PlaceOrder) -> Surroundings:
        if command.instrument_id == "NSE:TCS":
            raise ZeroDivisionError
        return await real(self, command)

    monkeypatch.setattr(Judge, "surroundings", surroundings)


def break_judgement(orders: PlaceOrders, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Judge.candidate

    def candidate(self: Judge, call: PlaceCall, *known: Any) -> Candidate:
        if call.command.instrument_id == "NSE:TCS":
            raise ZeroDivisionError
        return real(self, call, *known)

    monkeypatch.setattr(Judge, "candidate", candidate)


def break_transaction(orders: PlaceOrders, monkeypatch: pytest.MonkeyPatch) -> None:
    real = answers.acceptance

    def acceptance(order: Order) -> str:
        if order.terms.instrument_id == "NSE:TCS":
            raise ZeroDivisionError
        return real(order)

    monkeypatch.setattr(answers, "acceptance", acceptance)


@pytest.mark.parametrize("spoil", [break_look_up, break_judgement, break_transaction])
async def test_order_that_breaks_costs_its_place_alone(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch, spoil: Any
):
    orders, listed = (
        placing(broker, database),
        (GOOD, GOOD | {"instrument_id": "NSE:TCS", "price": "3000.00"}, OFF_TICK, GOOD),
    )
    with monkeypatch.context() as broken:
        spoil(orders, broken)
        first = await orders.place_list(calls(*listed), broker.sagas)
    assert statuses(first) == [202, 500, 422, 202]
    assert broker.value("SELECT count(*) FROM orders") == 3
    with pytest.raises(IdempotencyKeyReusedError):
        await orders.place_list(calls(GOOD, GOOD), broker.sagas)
    again = await orders.place_list(calls(*listed), broker.sagas)
    assert statuses(again) == [202, 202, 422, 202]
    assert [isinstance(item, Placed) and item.replayed for item in again.items] == [True, False, True, True]


async def test_part_of_a_list_respects_another_list(broker: Broker, database: Database):
    await placing(broker, database).place_list(calls(GOOD), broker.sagas)
    listed = [a_candidate(f"list-1\n{place}") for place in range(2)]
    late = replace(listed[1], listed=[each.claim for each in listed])
    (taken,) = await broker.intake.take_all([late])
    assert (taken.replayed, taken.answer.fingerprint == late.fingerprint) == (True, False)
    assert broker.value("SELECT count(*) FROM orders") == 1
