"""The same broker in two processes, as `make run` has it, on the exchange's real calendar."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sandbox.harness import Sandbox, SandboxOptions
from tests.e2e.world import Broker, Json, eventually

pytestmark = pytest.mark.xdist_group("venue")

_WEDNESDAY = datetime(2026, 11, 25, 5, 30, tzinfo=UTC)  # 11:00 in India
_EVENING = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One process for HTTP, one for the rest; every other end-to-end test has a process for each scale group."""
    options = SandboxOptions(groups="default", sessions="nse")
    with Sandbox.start(tmp_path_factory.mktemp("pair") / "data", options) as sandbox:
        sandbox.set_market_time(_WEDNESDAY)
        yield Broker.of(sandbox)


def test_http_has_one_process_and_the_rest_another(pair: Broker) -> None:
    assert len(pair.sandbox.host_children()) == 2


def test_an_order_goes_through_both_processes(pair: Broker) -> None:
    alice = pair.client("alice")

    def filled() -> Json | None:
        answer = alice.place(order_type="MARKET", price=None)
        if answer.status_code != 202:
            return None
        order = alice.until(answer.json()["order_id"], "FILLED", "REJECTED")
        # Each process notices the new clock by itself, within a second: HTTP may take the order while the saga's
        # process still has a time after that session.
        return None if order["reject_code"] == "SESSION_ENDED" else order

    order = eventually(filled, "the open session in both processes")
    assert (order["status"], order["filled_quantity"]) == ("FILLED", 10)


def test_orders_after_the_session_are_refused(pair: Broker) -> None:
    pair.sandbox.set_market_time(_EVENING)
    bob = pair.client("bob")

    def refused() -> str | None:
        details = bob.place(price="1400.00", time_in_force="IOC").json().get("details", {})
        return details.get("limit") if details.get("reject_code") == "SESSION_CLOSED" else None

    assert eventually(refused, "the closed session").startswith("2026-11-26T03:45:00")
    pair.assert_sound()
