"""Candles' store may be away: no order notices, and health says so without refusing anything."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.world import Broker, Client, eventually

pytestmark = pytest.mark.xdist_group("e2e")


def _state(broker: Broker) -> tuple[int, str, str]:
    """Status code and status of health, and the state of Cosmos DB."""
    answer = broker.http.get("/api/health")
    states = {each["name"]: each["state"] for each in answer.json()["dependencies"]}
    return answer.status_code, answer.json()["status"], states["cosmos"]


@pytest.fixture
def frozen_cosmos(traded: Broker) -> Iterator[Broker]:
    """Cosmos DB takes connections and answers nothing."""
    eventually(lambda: _state(traded)[2] == "UP" or None, "Cosmos DB")
    pid = traded.sandbox.pid("cosmos")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield traded
    finally:
        os.kill(pid, signal.SIGCONT)


def test_orders_are_filled_while_cosmos_is_frozen(frozen_cosmos: Broker, trader: Client, other: Client) -> None:
    eventually(lambda: _state(frozen_cosmos)[2] == "DOWN" or None, "the state of Cosmos DB")
    other.working(side="SELL")
    trader.until(trader.order(), "FILLED", within_s=20)
    assert _state(frozen_cosmos)[:2] == (200, "DEGRADED")
