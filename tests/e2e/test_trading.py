"""Orders as traders use them: to a fill, into the book, out of it; and every number that follows."""

from decimal import Decimal

import pytest

from tests.e2e.world import CASH, Client, order_body

pytestmark = pytest.mark.xdist_group("e2e")

# 15,000.00 of delivery: STT 15.00, exchange 0.46, SEBI 0.02, GST 0.09, and stamp duty 2.25 for the buyer.
BUY_CHARGES, SELL_CHARGES = Decimal("17.82"), Decimal("15.57")


def crossed(buyer: Client, seller: Client, **changes: object) -> tuple[str, str]:
    """Buy and sell order ids of one trade of the default order's size and price."""
    resting = seller.working(side="SELL", **changes)
    order_id = buyer.order(**changes)
    buyer.until(order_id, "FILLED")
    seller.until(resting, "FILLED")
    return order_id, resting


def test_two_traders_crossing_both_fill(trader: Client, other: Client) -> None:
    bought, sold = crossed(trader, other)

    (buy,) = trader.read("/trades/me")["items"]
    (sell,) = other.read("/trades/me")["items"]
    assert (buy["order_id"], buy["side"], buy["quantity"], buy["price"]) == (bought, "BUY", 10, "1500.00")
    assert (sell["order_id"], sell["side"], sell["quantity"], sell["price"]) == (sold, "SELL", 10, "1500.00")
    assert buy["value"] == sell["value"] == "15000.00"
    assert buy["trade_id"] != sell["trade_id"]


def test_money_moves_by_price_and_charges(trader: Client, other: Client) -> None:
    crossed(trader, other)

    bought, sold = trader.read("/funds"), other.read("/funds")
    assert bought["available"]["cash"] == f"{CASH - 15000 - BUY_CHARGES}"
    assert bought["utilised"] | {"by_order": []} == {
        "holds": "0.00",
        "delivery": "15000.00",
        "charges": "17.82",
        "holding_sales": "0.00",
        "payout": "0.00",
        "by_order": [],
    }
    assert sold["available"]["unsettled_cash"] == f"{15000 - SELL_CHARGES}"
    assert sold["utilised"]["charges"] == "15.57"


def test_charges_of_a_trade_are_itemised(trader: Client, other: Client) -> None:
    crossed(trader, other)

    (trade,) = trader.read("/trades/me")["items"]
    assert trade["charges"] == {
        "brokerage": "0.00",
        "stt": "15.00",
        "exchange_transaction": "0.46",
        "sebi": "0.02",
        "stamp_duty": "2.25",
        "gst": "0.09",
    }


def test_charges_do_not_depend_on_the_fills(trader: Client, other: Client) -> None:
    for quantity in (1, 2, 7):
        other.working(side="SELL", quantity=quantity)
    order_id = trader.order()
    trader.until(order_id, "FILLED")

    trades = trader.read("/trades/me")["items"]
    assert sorted(trade["quantity"] for trade in trades) == [1, 2, 7]
    assert trader.read("/funds")["utilised"]["charges"] == f"{BUY_CHARGES}"


def test_holdings_and_positions_follow_the_trade(trader: Client, other: Client) -> None:
    crossed(trader, other)

    bought, sold = trader.read("/portfolios/me"), other.read("/portfolios/me")
    (position,) = bought["positions"]
    assert (position["buy_quantity"], position["buy_value"], position["net_quantity"]) == (10, "15000.00", 10)
    held = {each["instrument_id"]: each for each in sold["holdings"]}["NSE:INFY"]
    assert (held["quantity"], held["free_quantity"], held["held_quantity"]) == (990, 990, 0)
    got = {each["instrument_id"]: each for each in bought["holdings"]}["NSE:INFY"]
    assert (got["quantity"], got["unsettled_quantity"]) == (1000, 10)


def test_a_price_improvement_is_released_at_once(trader: Client, other: Client) -> None:
    other.working(side="SELL", price="1490.00")
    order_id = trader.order(price="1510.00")

    order = trader.until(order_id, "FILLED")
    funds = trader.read("/funds")
    assert order["average_price"] == "1490.0000"
    assert (funds["utilised"]["delivery"], funds["utilised"]["holds"]) == ("14900.00", "0.00")


def test_preferring_to_wait_answers_with_the_fill(trader: Client, other: Client) -> None:
    other.working(side="SELL")

    response = trader.place(wait_s=10)
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "wait=10"
    assert response.json()["order"]["status"] in {"NEW", "FILLED"}  # the acknowledgement answers; the fill may follow


def test_a_market_order_takes_the_book_price(trader: Client, other: Client) -> None:
    other.working(side="SELL", price="1501.00")

    order = trader.until(trader.order(order_type="MARKET", price=None), "FILLED")
    assert (order["price"], order["average_price"]) == (None, "1501.0000")


def test_a_resting_limit_holds_until_canceled(trader: Client) -> None:
    order_id = trader.working(price="1400.00")
    held = trader.read("/funds")

    canceled = trader.cancel(order_id)
    order = trader.until(order_id, "CANCELED")
    assert held["utilised"]["by_order"][0]["order_id"] == order_id
    # 14,000.00 and the most that they may cost: 14.00 + 0.43 + 0.01 + 2.10 + 0.08.
    assert held["utilised"]["holds"] == "14016.62"
    assert (canceled.status_code, canceled.json()["pending_request"]) == (202, "CANCEL")
    assert (order["canceled_quantity"], order["leaves_quantity"]) == (10, 0)
    assert trader.read("/funds")["available"]["cash"] == f"{CASH}"


def test_canceling_again_is_a_conflict(trader: Client) -> None:
    order_id = trader.working(price="1400.00")
    trader.cancel(order_id)
    trader.until(order_id, "CANCELED")

    again = trader.cancel(order_id)
    assert (again.status_code, again.json()["error_code"]) == (409, "CONFLICT_STATE")
    assert again.json()["details"]["state"] == "CANCELED"


def test_a_partly_filled_order_cancels_the_rest(trader: Client, other: Client) -> None:
    other.working(side="SELL", quantity=4)
    order_id = trader.order()
    trader.until(order_id, "PARTIALLY_FILLED")

    trader.cancel(order_id)
    order = trader.until(order_id, "CANCELED")
    assert (order["filled_quantity"], order["canceled_quantity"], order["leaves_quantity"]) == (4, 6, 0)
    assert trader.read("/funds")["utilised"]["holds"] == "0.00"


def test_an_ioc_never_rests_in_the_book(trader: Client, other: Client) -> None:
    other.working(side="SELL", quantity=3)

    partly = trader.until(trader.order(time_in_force="IOC"), "CANCELED")
    nothing = trader.until(trader.order(time_in_force="IOC"), "CANCELED")
    assert (partly["filled_quantity"], partly["canceled_quantity"]) == (3, 7)
    assert (nothing["filled_quantity"], nothing["canceled_quantity"]) == (0, 10)


def test_selling_holds_shares_not_money(trader: Client) -> None:
    trader.working(side="SELL", price="1600.00", quantity=400)

    holdings = {each["instrument_id"]: each for each in trader.read("/portfolios/me")["holdings"]}
    refused = trader.place(side="SELL", quantity=601)
    assert (holdings["NSE:INFY"]["held_quantity"], holdings["NSE:INFY"]["free_quantity"]) == (400, 600)
    assert trader.read("/funds")["available"]["cash"] == f"{CASH}"
    assert refused.json()["details"]["reject_code"] == "INSUFFICIENT_HOLDINGS"


def test_history_tells_every_stage_once(trader: Client, other: Client) -> None:
    order_id, _ = crossed(trader, other)

    history = trader.read(f"/orders/{order_id}/history")
    stages = [stage["stage"] for stage in history["stages"]]
    times = [float(stage["ms"]) for stage in history["stages"]]
    assert set(stages) - {"acknowledged"} == {"funds_held", "at_exchange", "filled", "ended"}  # a fill may overtake
    assert len(stages) == len(set(stages))
    assert times[:2] == sorted(times)[:2]
    assert [event["revision"] for event in history["events"]] == list(range(1, len(history["events"]) + 1))
    assert history["events"][-1]["state"] == history["order"]["status"] == "FILLED"


def test_a_trader_does_not_trade_with_himself(trader: Client) -> None:
    resting = trader.working(side="SELL")

    taken = trader.order()
    assert trader.until(resting, "CANCELED")["filled_quantity"] == 0
    assert trader.until(taken, "NEW")["filled_quantity"] == 0


def test_cancel_and_fill_racing_agree_at_last(trader: Client, other: Client) -> None:
    resting = [trader.working(side="SELL", price="1500.00", quantity=1) for _ in range(6)]

    for order_id in resting:
        other.order(quantity=1)
        trader.cancel(order_id)
    ended = [trader.until(order_id, "FILLED", "CANCELED") for order_id in resting]
    filled = sum(order["filled_quantity"] for order in ended)
    assert all(order["filled_quantity"] + order["canceled_quantity"] == 1 for order in ended)
    assert sum(trade["quantity"] for trade in trader.read("/trades/me")["items"]) == filled


def test_lists_page_through_everything_once(trader: Client) -> None:
    placed = [trader.order(time_in_force="IOC", price="1400.00") for _ in range(7)]
    for order_id in placed:
        trader.until(order_id, "CANCELED")

    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = trader.read("/orders", limit=3, **cursor)
        assert len(page["items"]) <= 3
        seen += [order["order_id"] for order in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == placed[::-1]


def test_the_body_of_an_order_comes_back(trader: Client) -> None:
    sent = order_body(price="1400.00", client_order_id="my-id-1", tag="first")
    order = trader.read(f"/orders/{trader.working(**sent)}")

    assert {name: order[name] for name in sent} == sent
    assert (order["time_in_force"], order["leaves_quantity"], order["user_id"]) == ("DAY", 10, trader.user_id)
