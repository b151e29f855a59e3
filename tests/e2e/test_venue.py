"""An exchange that misbehaves, a bus that dies, a session that ends: every order still ends once, with evidence.

It has a sandbox of its own, whose deadlines are short; what takes long waits beside the other tests.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sandbox.harness import Sandbox, SandboxOptions
from tests.e2e.faults import failing_inserts
from tests.e2e.world import CASH, Broker, Client, Json, eventually, write_demo

pytestmark = [pytest.mark.xdist_group("venue"), pytest.mark.timeout(300)]

ANSWER_S = 3
_MARKET: Json = {"order_type": "MARKET", "price": None, "quantity": 1}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A sandbox with market makers and short deadlines."""
    folder = tmp_path_factory.mktemp("venue")
    settings = {"EXCHANGE_EXPIRE_AFTER_S": "2.5", "EXCHANGE_ANSWER_DEADLINE_S": str(ANSWER_S)}
    options = SandboxOptions(demo=write_demo(folder / "demo.json", 40), settings=settings)
    with Sandbox.start(folder / "data", options) as sandbox:
        yield Broker.of(sandbox)


@pytest.fixture(autouse=True)
def _behaving(venue: Broker) -> Iterator[None]:
    """The exchange behaves before and after each test, and nothing is left unsound."""
    yield
    venue.faults()
    venue.assert_sound(at_rest=False)


def place(trader: Client, count: int = 6, **changes: object) -> list[str]:
    return [trader.order(**_MARKET, **changes) for _ in range(count)]


def test_reports_twice_and_shuffled_book_once(venue: Broker) -> None:
    venue.faults(duplicate=True, reorder=True)
    trader = venue.trader()

    orders = place(trader)
    for order_id in orders:
        assert trader.until(order_id, "FILLED")["filled_quantity"] == 1
    assert len(trader.read("/trades/me")["items"]) == len(orders)


def test_a_slow_exchange_is_waited_for(venue: Broker) -> None:
    venue.faults(slow_ms=1500)
    trader = venue.trader()

    response = trader.place(wait_s=10, **_MARKET)
    assert response.json()["order"]["status"] in {"NEW", "FILLED"}
    trader.until(response.json()["order_id"], "FILLED")


def test_a_refusal_by_the_exchange_releases_everything(venue: Broker) -> None:
    venue.faults(reject_percent=100)
    trader = venue.trader()

    for order_id in place(trader, 3):
        order = trader.until(order_id, "REJECTED")
        assert (order["reject_code"], order["filled_quantity"]) == ("EXCHANGE_REJECTED", 0)
    assert trader.read("/funds")["available"]["cash"] == f"{CASH}"


def test_dropped_reports_are_asked_for_again(venue: Broker) -> None:
    trader = venue.trader()
    venue.faults(drop_reports=1)

    order = trader.until(trader.order(**_MARKET), "FILLED")
    assert order["filled_quantity"] == 1


def test_a_silent_exchange_is_believed_later(venue: Broker) -> None:
    """Past the deadline recovery asks; the answer that it gets in the end is the fill."""
    venue.faults(silent=True)
    trader = venue.trader()
    order_id = trader.order(**_MARKET)
    eventually(lambda: asked(venue, order_id), "the recovery")

    assert trader.read("/funds")["utilised"]["holds"] != "0.00"
    venue.faults()
    assert trader.until(order_id, "FILLED")["filled_quantity"] == 1


def test_the_bus_may_die_and_come_back(venue: Broker) -> None:
    trader = venue.trader()
    venue.sandbox.kill("messaging")

    orders = [trader.order(**_MARKET) for _ in range(3)]
    ended = [trader.until(order_id, "FILLED", "REJECTED") for order_id in orders]
    assert {(order["status"], order["reject_code"]) for order in ended} <= {
        ("FILLED", None),
        ("REJECTED", "EXCHANGE_REJECTED"),  # it came after its expiry
        ("REJECTED", "NEVER_REACHED_EXCHANGE"),
    }


def test_a_poison_order_is_refused_alone(venue: Broker) -> None:
    trader = venue.trader()
    with failing_inserts(venue, "holds", sqlstate="22003", condition="NEW.amount > 30000000"):
        with ThreadPoolExecutor(6) as pool:
            quantities = [1, 2, 300, 3, 4, 5]
            orders = list(pool.map(lambda quantity: trader.order(**_MARKET | {"quantity": quantity}), quantities))
        poisoned = trader.until(orders[2], "REJECTED")
        filled = [trader.until(order_id, "FILLED") for order_id in orders[:2] + orders[3:]]

    assert poisoned["reject_code"] == "PROCESSING_FAILED"
    assert [order["filled_quantity"] for order in filled] == [1, 2, 3, 4, 5]


def test_a_step_that_fails_for_good_is_compensated(venue: Broker) -> None:
    """The queueing of the request fails until all attempts are used up; the hold goes back."""
    trader, olga = venue.trader(), venue.client("olga")
    with failing_inserts(venue, "exchange_outbox", sqlstate="57P03"):
        order_id = trader.order(**_MARKET)
        order = trader.until(order_id, "REJECTED")

    saga_id = venue.ask("SELECT saga_id FROM saga_orders WHERE order_id = %s", order_id)
    (member,) = olga.read(f"/operations/sagas/{saga_id}")["members"]
    assert order["reject_code"] == "PROCESSING_FAILED"
    assert [step["outcome"] for step in member["steps"] if step["step"] == "release_funds"] == ["COMPENSATED"]
    assert trader.read("/funds")["available"]["cash"] == f"{CASH}"


def test_unanswered_orders_are_in_doubt_until_decided(venue: Broker) -> None:
    """Four orders meet a deaf exchange: two are decided by operations, one by a late answer, one is canceled."""
    olga, trader = venue.client("olga"), venue.trader()
    venue.faults(deaf=True)
    never, gone, late, canceled = place(trader, 4)
    eventually(lambda: venue.ask("SELECT state = 'SUBMITTED' FROM orders WHERE order_id = %s", canceled), "its sending")
    assert trader.cancel(canceled).json()["pending_request"] == "CANCEL"

    eventually(lambda: venue.ask("SELECT count(*) = 4 FROM in_doubt"), "the doubts")
    doubts = olga.read("/operations/in-doubt")["items"]
    assert {doubt["order_id"] for doubt in doubts} == {never, gone, late, canceled}
    assert all(float(doubt["hold_open"]) > 1400 for doubt in doubts)
    assert all(doubt["evidence"]["exchange_has_reported"] == 0 for doubt in doubts)
    held = trader.read("/funds")["utilised"]["holds"]

    body = {"resolution": "NOT_RECEIVED", "reference": "NSE call 4711", "note": "never reached the exchange"}
    resolved = resolve(olga, never, body)
    again = resolve(olga, never, body)
    agreeing = resolve(venue.client("oscar"), never, body)
    other_decision = resolve(olga, never, body | {"resolution": "CANCELED"}, key="another")
    assert (resolved.status_code, resolved.json()["resolution"]) == (200, "NOT_RECEIVED")
    assert again.content == agreeing.content == resolved.content
    assert other_decision.status_code == 409
    assert resolve(venue.client("alice"), gone, body).status_code == 403
    contradicted = resolve(olga, gone, body | {"resolution": "CANCELED"}, key="wrong")
    assert (contradicted.status_code, "has never taken the order" in contradicted.json()["message"]) == (409, True)
    assert resolve(olga, gone, body).json()["venue_consulted"] is True
    assert trader.read(f"/orders/{never}")["status"] == trader.read(f"/orders/{gone}")["status"] == "REJECTED"
    assert float(trader.read("/funds")["utilised"]["holds"]) == pytest.approx(float(held) / 2)

    venue.faults()
    assert trader.until(late, "REJECTED")["filled_quantity"] == 0
    trader.until(canceled, "REJECTED", "CANCELED")
    assert olga.read("/operations/in-doubt")["items"] == []
    closed = olga.read("/operations/in-doubt", state="CLOSED")["items"]
    assert {doubt["order_id"]: doubt["resolution"] for doubt in closed if doubt["user_id"] == trader.user_id} == {
        never: "NOT_RECEIVED",
        gone: "NOT_RECEIVED",
        late: "ANSWERED_BY_EXCHANGE",
        canceled: "ANSWERED_BY_EXCHANGE",
    }
    assert trader.read("/funds")["available"]["cash"] == f"{CASH}"


def test_an_order_live_at_the_exchange_is_not_resolved_away(venue: Broker) -> None:
    """A silent exchange has the order in its book: no decision is taken against its records, and asking settles it."""
    olga, trader = venue.client("olga"), venue.trader()
    venue.faults(silent=True)
    order_id = trader.order(price="1400.00")
    eventually(lambda: venue.ask("SELECT in_doubt FROM orders WHERE order_id = %s", order_id), "the doubt")
    assert trader.read(f"/orders/{order_id}")["status_message"].startswith("The exchange has not confirmed")

    for resolution, words in {"NOT_RECEIVED": "has taken the order", "CANCELED": "is NEW at the venue"}.items():
        body = {"resolution": resolution, "reference": "NSE call 4711", "note": "gone"}
        refused = resolve(olga, order_id, body, key=resolution)
        assert (refused.status_code, words in refused.json()["message"]) == (409, True)

    venue.faults()
    asked = olga.post(f"/operations/in-doubt/{order_id}/resend", None, Idempotency_Key=f"resend-{order_id}")
    assert asked.status_code == 409 or (asked.status_code, asked.json()["requests"]) == (202, ["STATUS", "RESEND"])
    trader.until(order_id, "NEW")
    decided = resolve(olga, order_id, body)
    assert (decided.status_code, "has answered by itself" in decided.json()["message"]) == (409, True)
    assert olga.read(f"/operations/in-doubt/{order_id}")["resolution"] == "ANSWERED_BY_EXCHANGE"
    trader.cancel(order_id)
    trader.until(order_id, "CANCELED")


def test_day_orders_expire_by_the_exchange(venue: Broker) -> None:
    """The last test of this session: the exchange stays closed for the day, until its clock is set on."""
    trader = venue.trader()
    order_id = trader.working(price="1400.00")

    http_post(venue, "/end-of-day")
    order = trader.until(order_id, "EXPIRED")
    late = trader.until(trader.order(**_MARKET), "REJECTED")
    assert (order["filled_quantity"], order["canceled_quantity"], order["leaves_quantity"]) == (0, 10, 0)
    assert late["reject_code"] == "EXCHANGE_REJECTED"
    assert trader.read("/funds")["available"]["cash"] == f"{CASH}"
    venue.assert_sound()


def asked(venue: Broker, order_id: str) -> bool:
    """Whether the order has been handed to its recovery."""
    return bool(venue.ask("SELECT owner = 'RECOVERY' FROM orders WHERE order_id = %s", order_id))


def resolve(client: Client, order_id: str, body: Json, key: str = "") -> httpx.Response:
    return client.post(f"/operations/in-doubt/{order_id}/resolve", body, Idempotency_Key=f"resolve-{order_id}{key}")


def http_post(venue: Broker, path: str) -> None:
    httpx.post(f"{venue.sandbox.exchange_admin_url}{path}", timeout=60).raise_for_status()
