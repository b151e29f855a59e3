"""Days of the past and made-up ones: complete, reproducible, and resent as the exchange would."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from simulators.exchange.instruments import read_instruments
from simulators.exchange.sessions import INDIA
from simulators.market_feed.faults import Faults
from simulators.market_feed.frames import SessionPhase, Trade, Update, decode_update, encode_update, minute_of
from simulators.market_feed.generator import Generator, burst, trading_day
from simulators.market_feed.publisher import Publisher
from simulators.market_feed.replay import Recorder, RecordingError, Replay, read_recording
from simulators.market_feed.trades import Trades
from tests.exchange.support import INSTRUMENTS
from tests.market_feed.support import Reader
from tests.market_feed.test_publisher import Sent
from tests.support.waiting import eventually

DAY = date(2026, 11, 23)
LISTED = read_instruments(INSTRUMENTS).listed(DAY)
MATCH = int(datetime(2026, 11, 23, 9, 8, tzinfo=INDIA).timestamp()) * 1_000_000
SHARDS = {"all": [each.instrument_id for each in LISTED]}


def day(ticks_per_s: float = 0.2, seed: int = 1) -> list[Update]:
    return list(Generator(LISTED, trading_day(DAY, ticks_per_s, seed)).updates())


def trades_of(updates: list[Update]) -> list[tuple[str, Trade]]:
    return [
        (
            made.instrument_id,
            Trade(update.epoch, made.sequence, made.exchange_time, update.phase, made.price, made.quantity),
        )
        for update in updates
        for made in update.trades
    ]


def test_equal_seeds_make_equal_days() -> None:
    assert day() == day()
    assert day(seed=2) != day()


def test_a_made_up_day_is_consistent_in_itself() -> None:
    updates = day()
    last, volume = dict.fromkeys(SHARDS["all"], 0), dict.fromkeys(SHARDS["all"], 0)
    at = 0
    for update in updates[1:]:
        for window in update.windows:
            assert window.first_sequence == last[window.instrument_id] + 1
            last[window.instrument_id] = window.last_sequence
            volume[window.instrument_id] += window.traded.volume if window.traded else 0
            assert window.state.cumulative_volume == volume[window.instrument_id]
            assert window.exchange_time >= at
            at = window.exchange_time
            assert window.state.bids[0].price < window.state.asks[0].price
            assert window.state.lower_circuit <= window.state.bids[-1].price
            assert window.state.asks[-1].price <= window.state.upper_circuit
    phases = [update.phase for update in updates]
    assert list(dict.fromkeys(phases)) == [SessionPhase.PRE_OPEN, SessionPhase.CONTINUOUS, SessionPhase.CLOSED]
    matched = [trade for _, trade in trades_of(updates) if trade.phase is SessionPhase.PRE_OPEN]
    assert [minute_of(trade.exchange_time) for trade in matched] == [MATCH] * len(LISTED)
    assert any(
        window.traded.minute < minute_of(window.exchange_time)
        for update in day(ticks_per_s=2)
        for window in update.windows
        if window.traded
    )


async def replayed(
    updates: list[Update], during: Callable[[Replay], Any] = lambda _: None, **options: Any
) -> tuple[Sent, Trades, list[Update]]:
    """All that is sent of a replay at the greatest speed, and the updates as they were published."""
    sent, trades, published = Sent(), Trades(), []
    sent.open.set()
    publisher = Publisher(SHARDS, sent, Faults())
    take = trades.take

    def noted(update: Update) -> None:
        published.append(update)
        take(update)
        if len(published) == len(updates) // 2:
            asyncio.get_running_loop().call_soon(during, replay)

    trades.take = noted  # type: ignore[method-assign]
    replay = Replay(iter(updates), publisher, trades, speed=1e9, **options)
    sending = asyncio.create_task(publisher.run())
    await asyncio.wait_for(replay.run(), 60)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    return sent, trades, published


async def test_a_day_at_full_speed_loses_nothing() -> None:
    updates = day(ticks_per_s=0.1)
    sent, _, _ = await replayed(updates, first_epoch=7)
    reader = Reader()
    reader.read(sent.frames["all"])
    assert reader.epochs == {7}
    added = sum(window.traded.volume for _, _, window in reader.windows if window.traded)
    assert added == sum(trade.quantity for _, trade in trades_of(updates))


async def test_a_restart_in_the_middle_goes_on_in_the_next_epoch() -> None:
    updates = day(ticks_per_s=0.1)
    sent, _, published = await replayed(updates, Replay.restart)
    reader = Reader()
    reader.read(sent.frames["all"])
    assert reader.epochs == {1, 2}
    assert sum(update.keyframe for update in published) == 2
    reader_volume = sum(window.traded.volume for _, _, window in reader.windows if window.traded)
    assert reader_volume == sum(trade.quantity for _, trade in trades_of(updates))


async def test_a_recording_replays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "day.ndjson"
    recorder, updates = Recorder(file), day(ticks_per_s=0.02)
    for update in updates:
        recorder.take(update)
    assert list(read_recording(file)) == updates
    assert decode_update(encode_update(updates[0])) == updates[0]
    with file.open("ab") as opened:
        opened.write(b'[1,"2026')
    with pytest.raises(RecordingError, match=rf"line {len(updates) + 1}"):
        list(read_recording(file))
    with pytest.raises(RecordingError, match="cannot read"):
        list(read_recording(tmp_path / "none"))


async def test_resends_of_a_replay_agree_with_its_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = day(ticks_per_s=0.1)
    _, trades, published = await replayed(updates, Replay.restart)
    name = "NSE:INFY"
    made = [trade for owner, trade in trades_of(published) if owner == name]
    app = Starlette(routes=trades.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://feed") as http:
        answers = [(await http.get(f"/feed/{name}/trades", params={"epoch": epoch})).json() for epoch in (1, 2)]
        assert [t["sequence"] for answer in answers for t in answer["trades"]] == [t.sequence for t in made]
        assert {t["epoch"] for t in answers[0]["trades"]} == {1}
        page = (await http.get(f"/feed/{name}/trades", params={"epoch": 1, "limit": 2})).json()
        assert page["next_after"] == page["trades"][1]["sequence"]
        minute = minute_of(made[-1].exchange_time)
        inside = (await http.get(f"/feed/{name}/minutes/{minute}")).json()
        assert len(inside["trades"]) == sum(minute_of(trade.exchange_time) == minute for trade in made)
        assert inside["through_sequence"] == trades._sequences[name]
        for path in (f"/feed/{name}/trades?epoch=3", "/feed/NSE:NOTHING/trades"):
            assert (await http.get(path)).status_code == 404
        assert (await http.get(f"/feed/{name}/minutes/1")).status_code == 400
        monkeypatch.setattr("simulators.market_feed.trades._MOST_KEPT", 1)
        trades.take(published[-1])
        assert (await http.get(f"/feed/{name}/trades", params={"epoch": 1})).status_code == 410


async def test_a_burst_publishes_as_many_ticks_as_asked() -> None:
    plan = burst(1_795_492_800_000_000, seconds=1, ticks_per_s=2000, seed=1)
    updates = list(Generator(LISTED, plan).updates())
    assert 1800 <= len(updates) <= 2200
    sent, _, _ = await replayed(updates)
    reader = Reader()
    reader.read(sent.frames["all"])
    assert len(reader.windows) < len(updates) / 10
    await eventually(lambda: reader.last)
