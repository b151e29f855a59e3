"""The order endpoints: what they hand to the use case, and what they make of its answer."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

from functions.orders import cancel_order, get_order_history, list_orders, place_order
from shared.contracts.orders import OrderPage, OrderView, PlaceOrder
from shared.contracts.published import published_order
from shared.domain.orders.order import Order, Request, State, Status
from shared.domain.orders.terms import OrderType, Product, Side, Terms, TimeInForce
from shared.ports.orders import OrderFilter
from tests.edge.support import ALICE, ORDER_ID, PLACE, PLACED, App, call

AT = datetime(2026, 11, 23, 4, 15, 0, 123456, tzinfo=UTC)


TERMS = Terms(
    instrument_id="NSE:INFY",
    security_id="INE009A01021",
    segment="EQ",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    product=Product.CNC,
    time_in_force=TimeInForce.DAY,
    quantity=10,
    price=150005,
    limit_price=150005,
)


def order(number: int = 1, **changes: object) -> Order:
    made = Order(
        user_id=ALICE,
        order_id=UUID(int=number),
        terms=TERMS,
        trade_date="2026-11-23",
        accepted_at=AT + timedelta(microseconds=number),
        updated_at=AT,
    )
    return copy.replace(made, **changes)  # type: ignore[arg-type]


async def test_placing_hands_over_contract_key_and_patience(app: App) -> None:
    headers = {"idempotency-key": "k-1", "prefer": "wait=5"}
    answer = await call(place_order, body=PLACE, headers=headers)
    command = PlaceOrder.model_validate_json(orjson.dumps(PLACE))
    assert app.orders.calls == [("place", ALICE, command, "k-1", 5.0)]
    assert answer.headers["Preference-Applied"] == "wait=5"


async def test_accepted_order_is_answered_byte_for_byte(app: App) -> None:
    answer = await call(place_order, body=PLACE)
    assert (answer.status, answer.body) == (202, PLACED.body.encode())
    assert answer.headers["Location"] == f"/api/orders/{ORDER_ID}"
    assert answer.headers["RateLimit-Remaining"] == "59"
    assert "Idempotency-Replayed" not in answer.headers
    assert "Preference-Applied" not in answer.headers


async def test_stored_answer_is_marked_as_replayed(app: App) -> None:
    app.orders.answer = replace(PLACED, replayed=True, rate_limit=None)
    answer = await call(place_order, body=PLACE, headers={"idempotency-key": "k-1"})
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert "RateLimit-Limit" not in answer.headers


async def test_stored_refusal_is_sent_as_a_problem(app: App) -> None:
    app.orders.answer = replace(PLACED, status=422, body='{"error_code": "ORDER_REJECTED"}')
    answer = await call(place_order, body=PLACE)
    assert answer.status == 422
    assert answer.json == {"error_code": "ORDER_REJECTED"}
    assert answer.headers["Location"] == f"/api/orders/{ORDER_ID}"


async def test_cancel_answers_202_with_the_order(app: App) -> None:
    answer = await call(cancel_order, path={"order_id": str(ORDER_ID)})
    assert (answer.status, answer.json) == (202, {"order_id": str(ORDER_ID)})
    assert app.orders.calls == [("cancel", ALICE, ORDER_ID)]


async def test_history_is_asked_for_the_owner(app: App) -> None:
    await call(get_order_history, path={"order_id": str(ORDER_ID)})
    assert app.orders.calls == [("history", ALICE, ORDER_ID)]


async def test_pages_follow_each_other_without_gap_or_overlap(app: App) -> None:
    app.orders.orders = [order(3), order(2), order(1)]
    first = await call(list_orders, query={"limit": "2"})
    assert [each["order_id"] for each in first.json["items"]] == [str(UUID(int=3)), str(UUID(int=2))]
    app.orders.orders = app.orders.orders[2:]
    last = await call(list_orders, query={"limit": "2", "cursor": first.json["next_cursor"]})
    assert last.json["next_cursor"] is None
    assert app.orders.calls[-1] == ("page", ALICE, OrderFilter(before=UUID(int=2)), 3)


async def test_list_filters_reach_the_use_case(app: App) -> None:
    await call(list_orders, query={"status": "FILLED", "instrument_id": "NSE:M&M"})
    assert app.orders.calls == [("page", ALICE, OrderFilter(Status.FILLED, "NSE:M&M"), 51)]


async def test_listed_orders_fit_their_contract(app: App) -> None:
    app.orders.orders = [order(2), order(1)]
    OrderPage.model_validate((await call(list_orders)).json)


def test_published_order_has_exactly_the_documented_fields() -> None:
    assert list(published_order(order())) == list(OrderView.model_fields)


def test_published_orders_fit_their_contract_in_every_state() -> None:
    for state in State:
        for request in (None, *Request):
            shown = published_order(order(state=state, pending_request=request, terms=TERMS._replace(price=None)))
            OrderView.model_validate(orjson.loads(orjson.dumps(shown)))
