"""The exchange's stream of market data and its resends: nothing is missing, whenever the venue is cut off."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg import OperationalError

from simulators.exchange.feed import Subscription
from simulators.exchange.gateway import Limits
from simulators.exchange.store import Store
from simulators.market_feed.frames import MINUTE_US, SessionPhase, Update, Window, decode_update
from tests.exchange.support import MONDAY, FixedClock, MemoryBus, RunningVenue, about, new, running
from tests.exchange.test_recovery import OFTEN, tape
from tests.support.waiting import eventually

INFY = "NSE:INFY"
NOW_US = int(MONDAY.timestamp()) * 1_000_000


async def read(venue: RunningVenue) -> Subscription:
    """A reader whose epoch has begun."""
    subscription = venue.gateway.feed.subscribe()
    await venue.gateway.settle()
    return subscription


def taken(subscription: Subscription) -> list[Update]:
    """What has come since the last call."""
    lines = [decode_update(line) for line in subscription._lines]
    subscription._lines.clear()
    return lines


def windows(updates: list[Update], name: str = INFY) -> list[Window]:
    return [window for update in updates for window in update.windows if window.instrument_id == name]


async def resent(venue: RunningVenue, path: str = f"{INFY}/trades", **parameters: Any) -> dict[str, Any]:
    answer = await venue.admin.get(f"/feed/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def refused(venue: RunningVenue, path: str, **parameters: Any) -> int:
    return (await venue.admin.get(f"/feed/{path}", params=parameters)).status_code


@pytest.mark.parametrize("seed", range(3))
async def test_windows_and_resends_survive_restarts_without_warning(database: str, seed: int) -> None:
    entries, chance = tape(seed, 80), random.Random(seed)
    bus, position = MemoryBus(), 0
    seen: dict[int, list[Update]] = {}
    while position < len(entries):
        async with running(database, bus=bus, limits=OFTEN, graceful=False) as venue:
            reader = await read(venue)
            for entry in entries[position : (position := position + chance.randint(5, 20))]:
                await venue.deliver({"version": 1, "requests": [entry]})
            updates = taken(reader)
            seen[updates[0].epoch] = updates
    async with running(database, bus=bus) as venue:
        reports = [r for r in await venue.sent() if r["exec_type"] == "TRADE"]
        trades: list[dict[str, Any]] = []
        for epoch, updates in seen.items():
            answer = await resent(venue, epoch=epoch)
            trades += answer["trades"]
            assert updates[0].keyframe
            last = windows(updates)[0].last_sequence
            for window in windows(updates)[1:]:
                assert window.first_sequence == last + 1
                last = window.last_sequence
                inside = [t for t in answer["trades"] if window.first_sequence <= t["sequence"] <= last]
                assert (window.traded.count if window.traded else 0) == len(inside)
                if window.traded:
                    assert window.traded.volume == sum(t["quantity"] for t in inside)
                    assert window.traded.high == max(t["price"] for t in inside)
        matched = venue_trades(reports)
        assert Counter((t["price"], t["quantity"]) for t in trades) == Counter(matched.values())
        assert venue.gateway.venue.tapes.of(INFY).volume == sum(quantity for _, quantity in matched.values())
    assert list(seen) == list(range(2, len(seen) + 2))


def venue_trades(reports: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Price in paise and quantity by match, of all trades between clients; a report may come twice."""
    return {r["match_id"]: (round(float(r["last_price"]) * 100), r["last_quantity"]) for r in reports}


async def test_trades_lost_before_the_archive_are_numbered_the_same(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        async with running(database, graceful=False) as venue:
            await read(venue)
            await venue.ask(new())

            async def never(*_: Any, **__: Any) -> None:
                raise OperationalError("killed here")

            patch.setattr(Store, "archive", never)
            await venue.deliver({"version": 1, "requests": [new(side="SELL")]})
    async with running(database) as venue:
        reader = await read(venue)
        first, second = await resent(venue, epoch=2), await resent(venue, epoch=3)
        assert [(t["sequence"], t["price"], t["quantity"]) for t in first["trades"]] == [(2, 150_000, 10)]
        assert (second["trades"], second["epoch"], second["through_sequence"]) == ([], 3, 0)
        [keyframe] = windows(taken(reader))
        assert (keyframe.first_sequence, keyframe.last_sequence, keyframe.state.cumulative_volume) == (1, 0, 10)


async def test_trades_before_the_first_reader_are_of_epoch_one(database: str) -> None:
    async with running(database) as venue:
        await venue.ask(new(), new(side="SELL"))
        reader = await read(venue)
        assert [t["quantity"] for t in (await resent(venue, epoch=1))["trades"]] == [10]
        assert (await resent(venue, epoch=2))["trades"] == []
        [keyframe] = windows(taken(reader))
        assert keyframe.state.cumulative_volume == 10


async def test_trades_carry_the_market_clock_that_was_set(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.put("/clock", json={"market_time": "2026-11-25T05:00:00Z"})
        await venue.ask(new(), new(side="SELL"))
        [trade] = (await resent(venue))["trades"]
        assert trade["exchange_time"] == 1_795_582_800_000_000


async def test_state_shows_book_prices_and_limits(database: str) -> None:
    async with running(database) as venue:
        reader = await read(venue)
        await venue.ask(new(price="1499.00", quantity=7), new(price="1499.00"), new(price="1498.00"))
        await venue.ask(new(price="1500.00", side="SELL", quantity=20), new(price="1501.00", side="SELL"))
        await venue.ask(new(price="1500.00", quantity=4))
        state = windows(taken(reader))[-1].state
        assert [(level.price, level.quantity, level.orders) for level in state.bids] == [
            (149_900, 17, 2),
            (149_800, 10, 1),
        ]
        assert [(level.price, level.quantity, level.orders) for level in state.asks] == [
            (150_000, 16, 1),
            (150_100, 10, 1),
        ]
        assert (state.total_bid_quantity, state.total_ask_quantity) == (27, 26)
        assert (state.last_price, state.last_quantity, state.last_trade_at) == (150_000, 4, NOW_US)
        assert (state.cumulative_volume, state.cumulative_turnover) == (4, 600_000)
        assert (state.day_open, state.day_high, state.day_low) == (150_000,) * 3
        assert (state.previous_close, state.lower_circuit, state.upper_circuit) == (150_000, 120_000, 180_000)
        assert state.phase is SessionPhase.CONTINUOUS


async def test_close_empties_the_book_and_the_next_day_starts_anew(database: str) -> None:
    clock = FixedClock()
    async with running(database, clock=clock, calendar="nse", makers=True, trades_per_s=100) as venue:
        reader = await read(venue)
        await eventually(lambda: venue.gateway.venue.tapes.of(INFY).volume)
        clock.advance(hours=6)
        await venue.gateway.settle()
        closed = windows(taken(reader))[-1].state
        assert (closed.phase, closed.bids, closed.asks) == (SessionPhase.CLOSED, (), ())
        clock.advance(hours=42)  # the day between is a holiday
        await venue.gateway.settle()
        opened = next(w.state for w in windows(taken(reader)) if w.state.phase is SessionPhase.CONTINUOUS)
        assert (opened.cumulative_volume, opened.day_open) == (0, None)
        assert opened.previous_close == closed.last_price


async def test_makers_and_participants_move_what_is_watched(database: str) -> None:
    async with running(database, makers=True, trades_per_s=200) as venue:
        reader = await read(venue)
        order = new(price="1350.00")
        await venue.ask(order)
        await eventually(
            lambda: all(venue.gateway.venue.tapes.of(name).volume for name in venue.gateway.feed.sequences)
        )
        updates = taken(reader)
        for name in venue.gateway.feed.sequences:
            chain = windows(updates, name)
            assert chain[0].first_sequence == chain[0].last_sequence + 1
            assert all(later.first_sequence == earlier.last_sequence + 1 for earlier, later in pairwise(chain))
            assert sum(w.traded.volume for w in chain if w.traded) == chain[-1].state.cumulative_volume
        reader.close()
        await venue.gateway.settle()
        position = venue.gateway.venue.position
        await venue.gateway.settle()
        assert venue.gateway.venue.position <= position + 1


async def test_a_second_reader_ends_the_first(database: str) -> None:
    async with running(database) as venue:
        first = await read(venue)
        second = await read(venue)
        assert (first.closed, second.closed) == (True, False)
        assert [update.epoch for update in taken(second)] == [3]


async def test_a_reader_that_does_not_read_is_cut_off(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.exchange.feed._LONGEST_QUEUE", 2)
    async with running(database) as venue:
        reader = await read(venue)
        for _ in range(3):
            await venue.ask(new(price="1400.00"))
        assert reader.closed
        assert not venue.gateway.feed.watched


async def test_a_lost_database_ends_the_stream(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(database) as venue:
        reader = await read(venue)
        original: Callable[..., Awaitable[Any]] = Store.archive
        broken: list[int] = []

        async def breaking(*values: Any) -> Any:
            if not broken:
                broken.append(1)
                raise OperationalError("the connection is lost")
            return await original(*values)

        monkeypatch.setattr(Store, "archive", breaking)
        await venue.deliver({"version": 1, "requests": [new(), new(side="SELL")]})
        await venue.gateway.settle()
        assert reader.closed
        assert taken(reader)[-1].keyframe
        assert [t["quantity"] for t in (await resent(venue))["trades"]] == [10]


async def test_late_trade_counts_in_its_own_minute(database: str) -> None:
    async with running(database) as venue:
        reader = await read(venue)
        await venue.ask(new(), new(side="SELL"))
        late = {"instrument_id": INFY, "price": "1510.00", "quantity": 3, "minutes_ago": 2}
        answer = await venue.admin.post("/feed/late-trades", json=late)
        assert answer.json() == {"traded_at": NOW_US - 2 * MINUTE_US}
        [window] = [
            w for w in windows(taken(reader)) if w.traded and w.traded.minute < w.exchange_time // MINUTE_US * MINUTE_US
        ]
        assert window.traded is not None
        assert (window.traded.volume, window.traded.minute) == (3, NOW_US - 2 * MINUTE_US)
        assert (window.state.last_price, window.state.day_high, window.state.cumulative_volume) == (
            150_000,
            151_000,
            13,
        )
        minute = await resent(venue, f"{INFY}/minutes/{NOW_US - 2 * MINUTE_US}")
        assert [(t["price"], t["quantity"]) for t in minute["trades"]] == [(151_000, 3)]
        for wrong in ({"price": "1510.01"}, {"minutes_ago": 0}, {"quantity": 0}, {"price": "9999.00"}):
            assert (await venue.admin.post("/feed/late-trades", json=late | wrong)).status_code == 400


async def test_resends_are_paged_and_say_how_far_they_reach(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.exchange.feed_api._MAX_OF_MINUTE", 2)
    async with running(database) as venue:
        await read(venue)
        await venue.ask(new(quantity=3), *(new(side="SELL", quantity=1) for _ in range(3)))
        page = await resent(venue, limit=2)
        assert ([t["sequence"] for t in page["trades"]], page["next_after"]) == ([2, 3], 3)
        rest = await resent(venue, limit=2, after=page["next_after"])
        assert ([t["sequence"] for t in rest["trades"]], rest["next_after"]) == ([4], None)
        newest = venue.gateway.venue.tapes.of(INFY).sequence
        assert (page["through_sequence"], rest["through_sequence"]) == (newest, newest)
        minute = f"{INFY}/minutes/{NOW_US}"
        page = await resent(venue, minute)
        rest = await resent(venue, minute, epoch=page["next_epoch"], after=page["next_after"])
        assert [t["sequence"] for t in page["trades"] + rest["trades"]] == [2, 3, 4]
        assert (await resent(venue, f"{INFY}/minutes/{NOW_US + MINUTE_US}"))["trades"] == []


async def test_resend_refuses_what_it_cannot_answer(database: str) -> None:
    async with running(database, limits=Limits(snapshot_entries=1, keep_days=8)) as venue:
        await read(venue)
        await venue.ask(new(), new(side="SELL"))
        assert await refused(venue, "NSE:NOTHING/trades") == 404
        assert await refused(venue, f"{INFY}/trades", epoch=3) == 404
        assert await refused(venue, f"{INFY}/trades", after="x") == 400
        assert await refused(venue, f"{INFY}/minutes/{NOW_US + 1}") == 400
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE trade SET recorded_at = now() - interval '9 days'")
        await venue.ask(about(new(), "STATUS"))
        assert await refused(venue, f"{INFY}/trades") == 410
        assert await refused(venue, f"{INFY}/minutes/{NOW_US}") == 410
        assert (await resent(venue, after=2))["trades"] == []
        assert (await resent(venue, f"{INFY}/minutes/{NOW_US + MINUTE_US}"))["trades"] == []


async def test_lines_show_life_while_nothing_happens(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.exchange.feed._ALIVE_EVERY_S", 0.01)
    async with running(database) as venue:
        reader = await read(venue)
        stream = reader.lines(lambda: venue.gateway.feed.alive(venue.gateway.venue.tapes))
        lines = [decode_update(await anext(stream)) for _ in range(3)]
        assert [line.keyframe for line in lines] == [True, False, False]
        assert lines[-1].windows == ()
