"""Market data from the exchange's books to what clients read, and without Redis."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sandbox.harness import Sandbox, SandboxOptions
from tests.e2e.world import Broker, Client, Json, eventually
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("market-reading")

INFY = "NSE:INFY"
WATCHED = "NSE:INFY,NSE:TCS,NSE:M&M"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A sandbox whose market moves."""
    options = SandboxOptions(feed=True, groups="default")
    with Sandbox.start(tmp_path_factory.mktemp("market") / "data", options) as sandbox:
        yield Broker.of(sandbox)


@pytest.fixture(scope="module")
def alice(market: Broker) -> Client:
    """Once quotes of everything arrive."""
    client = market.client("alice")
    slowly(lambda: client.read("/marketdata/status")["feed"]["state"] == "LIVE", "a live feed")
    return client


def slowly[T](look: Callable[[], T], what: str) -> T:
    """Once a second, within the limits of the calls that it makes."""
    return wait_until(look, 60, what=what, interval_s=1)


def quote(client: Client, instruments: str = INFY, mode: str = "full") -> Json:
    body: Json = client.read("/marketdata/quotes", instruments=instruments, mode=mode)["items"][0]
    return body


def test_poll_after_poll_sees_ever_newer_quotes(alice: Client) -> None:
    first = alice.read("/marketdata/stream", instruments=WATCHED, wait_s=0)
    seen = {each["instrument_id"]: (each["epoch"], each["sequence"]) for each in first["ticks"]}
    assert seen.keys() == set(WATCHED.split(","))
    cursor, ticks = first["cursor"], 0
    deadline = time.monotonic() + 60
    while ticks < 20 and time.monotonic() < deadline:
        answer = alice.read("/marketdata/stream", instruments=WATCHED, cursor=cursor, wait_s=20)
        for tick in answer["ticks"]:
            place = (tick["epoch"], tick["sequence"])
            assert place > seen[tick["instrument_id"]]
            seen[tick["instrument_id"]] = place
        cursor, ticks = answer["cursor"], ticks + len(answer["ticks"])
        assert answer["stale"] is False
    assert ticks >= 20


def test_quote_and_book_are_of_one_moment(alice: Client) -> None:
    found = quote(alice)
    assert float(found["low"]) <= float(found["last_price"]) <= float(found["high"])
    assert float(found["bids"][0]["price"]) < float(found["asks"][0]["price"])
    depth = alice.read(f"/marketdata/depth/{INFY}")
    assert depth["sequence"] >= found["sequence"]
    movers = alice.read("/marketdata/movers", limit=5)
    assert len(movers["most_active"]) == 5


def test_snapshot_needs_no_token_and_is_sent_once(market: Broker, alice: Client) -> None:
    listed = market.http.get("/api/marketdata/snapshots").json()["items"]
    shard = next(each["shard"] for each in listed if INFY in each["instruments"])

    def revalidated() -> bool:
        first = market.http.get(f"/api/marketdata/snapshots/{shard}")
        assert first.status_code == 200
        tag = {"If-None-Match": first.headers["ETag"]}
        again = market.http.get(f"/api/marketdata/snapshots/{shard}", headers=tag)
        assert again.status_code in {200, 304}
        return again.status_code == 304 and again.content == b"" and again.headers["ETag"] == first.headers["ETag"]

    eventually(revalidated, "a moment without ticks")


def test_packed_quotes_pass_the_host_unharmed(market: Broker, alice: Client) -> None:
    headers = alice.headers() | {"Accept": "application/vnd.broker.quotes+msgpack"}
    answer = market.http.get(f"/api/marketdata/quotes?instruments={INFY}&mode=full", headers=headers)
    packed = msgspec.msgpack.decode(answer.content)
    assert answer.headers["Content-Type"] == "application/vnd.broker.quotes+msgpack"
    assert packed["items"][0][1] == INFY


def test_two_devices_share_a_watchlist(market: Broker, alice: Client) -> None:
    made = alice.post("/watchlists", {"name": "Mine", "instruments": [INFY, "NSE:M&M"]}).json()
    address = f"/api/watchlists/{made['watchlist_id']}"
    change = {"version": 1, "name": "Mine", "instruments": ["NSE:M&M", INFY]}
    assert market.http.put(address, json=change, headers=alice.headers()).json()["version"] == 2
    assert market.http.put(address, json=change, headers=alice.headers()).status_code == 409
    quotes = alice.post("/marketdata/quotes", {"instruments": alice.read(address.removeprefix("/api"))["instruments"]})
    assert [each["instrument_id"] for each in quotes.json()["items"]] == ["NSE:M&M", INFY]
    assert market.http.delete(f"{address}?version=2", headers=alice.headers()).status_code == 200


def test_volumes_of_candles_add_up_to_the_days_volume(alice: Client) -> None:
    def sums_agree() -> Json | None:
        before = quote(alice)
        day = {"from": (datetime.now(UTC) - timedelta(days=1)).isoformat(), "interval": "1m"}
        minutes = alice.read(f"/marketdata/candles/{INFY}", **day)
        after = quote(alice)
        today = [each for each in minutes["items"] if each["start"] >= _midnight()]
        same = before["volume"] == after["volume"] == sum(each["volume"] for each in today)
        return minutes if same and today else None

    minutes = eventually(sums_agree, "a moment without trades", 60)
    assert minutes["items"][-1]["complete"]


def _midnight() -> str:
    """Of the day in India, as candles write it."""
    india = datetime.now(UTC) + timedelta(hours=5, minutes=30)
    midnight = india.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=5, minutes=30)
    return midnight.strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def test_portfolio_moves_with_the_market(alice: Client) -> None:
    def value() -> tuple[str, str]:
        portfolio = alice.read("/portfolios/me")
        assert {each["price_source"] for each in portfolio["holdings"]} == {"LAST"}
        return portfolio["totals"]["value"], portfolio["totals"]["day_pnl"]

    before = value()
    slowly(lambda: value() != before, "another value")


def test_market_order_is_protected_by_the_live_price(alice: Client, market: Broker) -> None:
    last = float(quote(alice)["last_price"])
    answer = alice.place(order_type="MARKET", price=None, quantity=1, wait_s=5)
    order_id = answer.json()["order_id"]
    limit = market.ask("SELECT limit_price FROM orders WHERE order_id = %s", order_id)
    assert abs(limit / 100 - last * 1.05) < last * 0.01
    alice.until(order_id, "FILLED")


def test_without_redis_the_last_known_is_stale_and_orders_go_on(alice: Client, market: Broker) -> None:
    known = quote(alice)
    valkey = market.sandbox.pid("valkey")
    os.kill(valkey, signal.SIGSTOP)
    try:
        stale = eventually(lambda: _stale(alice), "a stale quote", 20)
        assert (stale["epoch"], stale["sequence"]) >= (known["epoch"], known["sequence"])
        assert alice.place(quantity=1, price="1500.00").status_code == 202
        poll = alice.read("/marketdata/stream", instruments=INFY, wait_s=1, cursor=_cursor(stale))
        assert (poll["ticks"], poll["stale"]) == ([], True)
    finally:
        os.kill(valkey, signal.SIGCONT)
    eventually(lambda: not quote(alice)["stale"], "a live quote", 60)


def test_emptied_redis_is_healed_by_keyframes(alice: Client, market: Broker) -> None:
    before = quote(alice)
    market.sandbox.restart("valkey")
    after = eventually(lambda: _newer(alice, before), "a newer quote", 60)
    assert not after["stale"]
    slowly(lambda: alice.read("/marketdata/status")["feed"]["state"] == "LIVE", "a live feed")


def _stale(client: Client) -> Json | None:
    found = quote(client)
    return found if found["stale"] else None


def _newer(client: Client, before: Json) -> Json | None:
    found = quote(client)
    assert (found["epoch"], found["sequence"]) >= (before["epoch"], before["sequence"])
    return found if found["sequence"] > before["sequence"] and not found["stale"] else None


def _cursor(found: Json) -> str:
    exchange, _, symbol = found["instrument_id"].partition(":")
    return f"{exchange}~{symbol}~{found['epoch']}~{found['sequence']}"
