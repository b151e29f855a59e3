"""What staff see after trading: sagas with their ledger lines, a balanced ledger, a reconciled venue, empty queues."""

import pytest

from tests.e2e.test_trading import crossed
from tests.e2e.world import Broker, Client, Json, eventually

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture(scope="module")
def olga(broker: Broker) -> Client:
    return broker.client("olga")


def test_a_saga_shows_steps_holds_and_ledger(olga: Client, trader: Client, other: Client) -> None:
    order_id, _ = crossed(trader, other)

    def finished() -> Json | None:
        (saga,) = olga.read("/operations/sagas", order_id=order_id)["items"]
        return saga if saga["state"] == "FINISHED" else None

    saga = eventually(finished, "the end of the saga")
    detail = olga.read(f"/operations/sagas/{saga['saga_id']}")
    (member,) = [each for each in detail["members"] if each["order_id"] == order_id]
    assert [step["step"] for step in member["steps"]] == ["reserve_funds", "submit_to_exchange", "confirm"]
    (hold,) = member["holds"]
    assert (hold["amount"], hold["captured"], hold["released"], hold["open"]) == (
        "15017.82",
        "15017.82",
        "0.00",
        "0.00",
    )
    paid = sum(
        float(line["amount"])
        for line in member["transfers"]
        if line["asset"] == "INR" and "cash" in line["debit_account"]
    )
    assert paid == pytest.approx(15017.82)


def test_the_trial_balance_is_zero(olga: Client, trader: Client, other: Client) -> None:
    crossed(trader, other)

    balance = olga.read("/operations/trial-balance")
    assert balance["balanced"]
    assert {asset["total"] for asset in balance["assets"]} <= {"0.00", "0"}


def test_the_venue_reconciles_both_ways(broker: Broker, olga: Client, trader: Client, other: Client) -> None:
    crossed(trader, other)
    trader.working(price="1400.00")
    trade_date = broker.venue("/clock")["trade_date"]

    def equal() -> Json | None:
        found = olga.read("/operations/venue-reconciliation", trade_date=trade_date)
        return found if found["equal"] else None

    report = eventually(equal, "equality with the venue")
    assert report["venue_executions"] == report["our_executions"] > 0
    assert report["venue_live_orders"] == report["our_working_orders"] > 0


def test_queues_are_empty_and_nothing_parked(olga: Client) -> None:
    def drained() -> Json | None:
        found = olga.read("/operations/backlog")
        return found if not any(table["waiting"] for table in found["tables"]) else None

    backlog = eventually(drained, "empty tables")
    assert backlog["bus"] == "UP"
    assert (backlog["dead_letters"], backlog["parked_reports"]) == ([], [])
    assert {queue["name"]: queue["active"] for queue in backlog["queues"]}.keys() >= {
        "exchange-requests",
        "execution-reports",
    }


def test_resolving_what_is_not_in_doubt_is_not_found(olga: Client, trader: Client) -> None:
    order_id = trader.working(price="1400.00")

    body = {"resolution": "CANCELED", "reference": "ticket 1", "note": "canceled by the exchange"}
    response = olga.post(f"/operations/in-doubt/{order_id}/resolve", body, Idempotency_Key="resolve-nothing")
    assert (response.status_code, response.json()["error_code"]) == (404, "NOT_FOUND")
