"""Candles are those of the exchange's trades, whatever was killed and whichever frames were lost meanwhile."""

import random
from collections.abc import Iterator
from datetime import datetime

import httpx
import msgspec
import pytest

from sandbox.harness import Sandbox, SandboxOptions
from shared.adapters.reference import load_reference_data
from shared.domain.market_data.candles import MINUTE_US, Candle, of_trades
from shared.domain.market_data.quotes import Mark
from shared.domain.market_data.tape import Resend
from shared.domain.money import format_rupees
from tests.e2e.world import Broker, Json
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.xdist_group("crash-market"), pytest.mark.timeout(600)]
_VICTIMS = ("valkey", "feed", "host", "messaging", "exchange", "cosmos")
_LOSSES = {"drop_frames": 8, "duplicate": True, "reorder": True}
_LEAST_MINUTES = 3
_INSTRUMENTS = load_reference_data().shards.instruments_of("s000")[:4]


@pytest.fixture
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A sandbox whose exchange trades by itself and whose feed runs."""
    options = SandboxOptions(groups="default", feed=True)
    with Sandbox.start(tmp_path_factory.mktemp("crash-market") / "data", options) as sandbox:
        yield Broker.of(sandbox)


def test_candles_are_exact_after_every_part_was_killed(market: Broker, pytestconfig: pytest.Config) -> None:
    chance = random.Random(pytestconfig.getoption("--crash-seed"))
    wait_until(lambda: any(each["volume"] for each in _quotes(market)), 60, what="the first trades", interval_s=1)
    for part in chance.sample(_VICTIMS, len(_VICTIMS)):
        _feed(market, **_LOSSES)
        market.sandbox.restart(part, timeout_s=120)
    _feed(market)
    wait_until(lambda: not _differences(market), 240, what="exact candles of every instrument", interval_s=3)
    assert any(each["epoch"] > 1 for each in _quotes(market))


def _feed(market: Broker, **faults: object) -> None:
    """Replace the feed's faults, once it is there."""

    def post() -> bool:
        try:
            return httpx.post(f"{market.sandbox.feed_admin_url}/faults", json=faults, timeout=5).is_success
        except httpx.TransportError:
            return False

    wait_until(post, 60, what="the market feed", interval_s=0.2)


def _read(market: Broker, path: str, **parameters: object) -> Json | None:
    """An answer; None while there is none."""
    try:
        answer = market.client("alice").get(path, **parameters)
    except httpx.TransportError:
        return None
    return dict(answer.json()) if answer.status_code == 200 else None


def _quotes(market: Broker) -> list[Json]:
    answer = _read(market, "/marketdata/quotes", instruments=",".join(_INSTRUMENTS), mode="full")
    return [] if answer is None else list(answer["items"])


def _differences(market: Broker) -> list[str]:
    """Closed minutes whose candle is not what the exchange's trades make, incomplete ones, and stale quotes."""
    fresh = {each["instrument_id"] for each in _quotes(market) if not each["stale"]}
    found = [f"{each} is stale" for each in _INSTRUMENTS if each not in fresh]
    for instrument_id in _INSTRUMENTS:
        answer = _read(market, f"/marketdata/candles/{instrument_id}", interval="1m")
        if answer is None or answer["stale"] or len(answer["items"]) < _LEAST_MINUTES:
            found.append(f"{instrument_id} has too few candles")
            continue
        closed = answer["items"][:-1]
        found += [f"{instrument_id} {each}" for each in closed if each != _right(market, instrument_id, each["start"])]
    return found


def _right(market: Broker, instrument_id: str, start: str) -> Json | None:
    minute = int(datetime.fromisoformat(start).timestamp()) * 1_000_000
    path = f"/feed/{instrument_id}/minutes/{minute}"
    resend = msgspec.json.decode(httpx.get(market.sandbox.exchange_admin_url + path).content, type=Resend)
    candles = of_trades(minute, resend.trades, Mark(resend.epoch, resend.through_sequence))
    assert all(minute <= each.exchange_time < minute + MINUTE_US for each in resend.trades)
    return _view(candles[0], start) if candles else None


def _view(candle: Candle, start: str) -> Json:
    prices = {name: format_rupees(getattr(candle, name)) for name in ("open", "high", "low", "close", "turnover")}
    return {"start": start, **prices, "volume": candle.volume, "trades": candle.trades, "complete": True}
