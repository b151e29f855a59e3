"""Live prices over kills of each part between the exchange's book and the candles: both end with the same trades."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from sandbox.harness import Sandbox, SandboxOptions
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(420)]

NAMES = ("NSE:INFY", "NSE:TCS", "NSE:SBIN", "NSE:TITAN")
MINUTE_US = 60_000_000


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox.start(tmp_path_factory.mktemp("live") / "data", SandboxOptions(feed=True)) as sandbox:
        yield sandbox


def test_candles_are_the_exchanges_trades_after_kills(live: Sandbox) -> None:
    until_fresh(live)
    for part in ("feed", "messaging", "exchange", "valkey", "host"):
        live.restart(part)
        until_fresh(live)
    httpx.post(f"{live.feed_admin_url}/faults", json={"drop_frames": 20}).raise_for_status()
    httpx.post(f"{live.feed_admin_url}/restart").raise_for_status()
    end = (time.time_ns() // 1000 // MINUTE_US + 1) * MINUTE_US
    wait_until(lambda: time.time_ns() // 1000 > end, 70, what="the end of the minute")
    for name in NAMES:
        wait_until(lambda name=name: candles(live, name, end) == traded(live, name, end), 60, what=f"all of {name}")  # type: ignore[misc]
    assert any(candles(live, name, end) for name in NAMES)


def until_fresh(live: Sandbox) -> None:
    """Wait until quotes of all instruments arrive and none is stale."""

    def fresh() -> bool:
        try:
            answer = get(live, f"/marketdata/quotes?instruments={','.join(NAMES)}")
        except httpx.HTTPError:
            return False
        return not answer["missing"] and not any(quote["stale"] for quote in answer["items"])

    wait_until(fresh, 90, what="a fresh quote of each instrument", interval_s=0.5)


def get(live: Sandbox, path: str) -> dict[str, Any]:
    answer = httpx.get(f"{live.base_url}/api{path}", headers=live.authorization("alice"), timeout=10)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def candles(live: Sandbox, name: str, end: int) -> dict[int, tuple[int, ...]]:
    """Minute to open, high, low, close, volume and number of trades, of the complete minutes before `end`."""
    day = datetime.fromtimestamp(end / 1e6, UTC)
    answer = get(live, f"/marketdata/candles/{name}?interval=1m&to={day.isoformat().replace('+', '%2B')}")
    return {
        int(datetime.fromisoformat(each["start"]).timestamp()) * 1_000_000: (
            *(int(Decimal(each[price]) * 100) for price in ("open", "high", "low", "close")),
            each["volume"],
            each["trades"],
        )
        for each in answer["items"]
        if each["complete"]
    }


def traded(live: Sandbox, name: str, end: int) -> dict[int, tuple[int, ...]]:
    """The same of the exchange's own trades."""
    made: list[dict[str, Any]] = []
    epoch = httpx.get(f"{live.exchange_admin_url}/status").json()["feed"]["epoch"]
    for number in range(epoch + 1):
        url = f"{live.exchange_admin_url}/feed/{name}/trades"
        made += httpx.get(url, params={"epoch": number}).raise_for_status().json()["trades"]
    minutes: dict[int, list[dict[str, Any]]] = {}
    for trade in made:
        minute = trade["exchange_time"] // MINUTE_US * MINUTE_US
        if minute < end:
            minutes.setdefault(minute, []).append(trade)
    return {minute: summary(trades) for minute, trades in minutes.items()}


def summary(trades: list[dict[str, Any]]) -> tuple[int, ...]:
    prices = [trade["price"] for trade in trades]
    volume = sum(trade["quantity"] for trade in trades)
    return prices[0], max(prices), min(prices), prices[-1], volume, len(trades)
