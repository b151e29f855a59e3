"""A process dies between two named steps, once for each pair; the order goes on as if it had not."""

from uuid import uuid4

import httpx
import pytest

from tests.crash.conftest import Doomed
from tests.crash.hooks.sitecustomize import POINTS
from tests.e2e.world import ENDED, Client, Json, eventually, order_body

_KILLS = pytest.StashKey[list[str]]()
pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("crash")]


@pytest.mark.parametrize("point", POINTS)
def test_an_order_survives_a_kill_at(doomed: Doomed, point: str) -> None:
    trader, fired = doomed.trader(), doomed.arm(point)

    order_id = persist(trader, order_type="MARKET", price=None)
    eventually(fired.exists, f"the kill at {point}")
    assert sees(doomed, trader, order_id, "FILLED")["filled_quantity"] == 10


@pytest.mark.parametrize(
    ("point", "part"),
    [
        ("intake-commit-before-answer", "messaging"),
        ("reserved-before-completion", "postgres"),
        ("booked-before-complete", "postgres"),
        ("turn-committed", "exchange"),
    ],
)
def test_an_order_survives_another_part_dying_at(doomed: Doomed, point: str, part: str) -> None:
    trader, fired = doomed.trader(), doomed.arm(point, doomed.pid(part))

    order_id = persist(trader, order_type="MARKET", price=None)
    eventually(fired.exists, f"the kill at {point}")
    assert sees(doomed, trader, order_id, "FILLED")["filled_quantity"] == 10


@pytest.mark.parametrize("point", ["submitted-before-send", "sent-before-mark"])
def test_a_cancel_survives_a_kill_at(doomed: Doomed, point: str) -> None:
    trader = doomed.trader()
    order_id = persist(trader, price="1400.00")
    sees(doomed, trader, order_id, "NEW")

    fired = doomed.arm(point)
    eventually(lambda: cancel_again(trader, order_id), "the cancel's answer")
    eventually(fired.exists, f"the kill at {point}")
    assert sees(doomed, trader, order_id, "CANCELED")["canceled_quantity"] == 10


@pytest.fixture(autouse=True)
def _restart_without_patience(doomed: Doomed, request: pytest.FixtureRequest) -> None:
    """A host that was started anew starts its processes again at once; one that saw many die takes its time."""
    restarted: list[str] = request.node.parent.stash.setdefault(_KILLS, [])
    if len(restarted) % 5 == 4:
        doomed.sandbox.restart("host")
    restarted.append(request.node.name)


def test_everything_is_sound_after_all(doomed: Doomed) -> None:
    doomed.settle()
    doomed.assert_sound()


def persist(trader: Client, **changes: object) -> str:
    """Place one order under one key until it is answered."""
    headers = trader.headers({"Idempotency-Key": uuid4().hex})

    def attempt() -> str | None:
        try:
            answer = trader.http.post("/api/orders", json=order_body(**changes), headers=headers)
        except httpx.TransportError:
            return None
        assert answer.status_code in {202, 503}, answer.text
        return str(answer.json()["order_id"]) if answer.status_code == 202 else None

    return eventually(attempt, "an answer")


def cancel_again(trader: Client, order_id: str) -> bool:
    try:
        return trader.cancel(order_id).status_code in {202, 409}
    except httpx.TransportError:
        return False


def sees(doomed: Doomed, trader: Client, order_id: str, status: str) -> Json:
    """The order once it has the status; read from the database, because the API limits requests."""
    eventually(lambda: doomed.state_of(order_id) in {status, *ENDED}, f"order {order_id} {status}")
    order: Json = eventually(lambda: read_again(trader, order_id), "the order")
    assert order["status"] == status, order
    return order


def read_again(trader: Client, order_id: str) -> Json | None:
    try:
        answer = trader.get(f"/orders/{order_id}")
    except httpx.TransportError:
        return None
    assert answer.status_code in {200, 503}, answer.text
    return answer.json() if answer.status_code == 200 else None
