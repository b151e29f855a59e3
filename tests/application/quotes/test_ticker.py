"""The ticker: what is after a cursor, waiting without losing a tick, and the room for those who wait."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.application.quotes.board import QuoteBoard
from shared.application.quotes.ticker import MarketTicker
from shared.contracts.quotes import StreamQuery, StreamView
from shared.contracts.stream_cursors import read_cursor, write_cursor
from shared.domain.errors import NotFoundError, OverloadedError, UnavailableError
from shared.domain.market_data.quotes import Mark
from tests.fakes.market import FixedMarket
from tests.fakes.quotes import SHARDS, MemoryQuotes, a_quote
from tests.support.waiting import eventually

IDS = ("NSE:INFY", "NSE:TCS", "NSE:M&M")
_ROUNDS = 10_000


def ticker(store: MemoryQuotes, *, most_waiting: int = 50, keep_s: float = 0.25) -> MarketTicker:
    return MarketTicker(QuoteBoard(store, SHARDS, FixedMarket(), keep_s=keep_s), store, most_waiting=most_waiting)


async def poll(
    served: MarketTicker, cursor: str | None = None, wait_s: float = 0, ids: Sequence[str] = IDS
) -> tuple[dict[str, tuple[int, int]], StreamView]:
    """(epoch, sequence) of each tick, and the answer."""
    view = StreamView.model_validate_json(await served.poll(ids, "ltp", read_cursor(cursor), wait_s))
    return {each.instrument_id: (each.epoch, each.sequence) for each in view.ticks}, view


async def test_first_poll_answers_the_present_quotes() -> None:
    store = MemoryQuotes()
    store.write(a_quote("NSE:INFY", sequence=7), a_quote("NSE:M&M", sequence=3))
    ticks, view = await poll(ticker(store), wait_s=20)
    assert ticks == {"NSE:INFY": (1, 7), "NSE:M&M": (1, 3)}
    assert read_cursor(view.cursor) == {"NSE:INFY": (1, 7), "NSE:TCS": (0, 0), "NSE:M&M": (1, 3)}
    assert view.stale is False


async def test_only_what_changed_since_the_cursor_is_answered() -> None:
    store = MemoryQuotes()
    served = ticker(store, keep_s=0)
    store.write(a_quote("NSE:INFY"), a_quote("NSE:M&M"))
    _, first = await poll(served)
    nothing, same = await poll(served, first.cursor)
    assert (nothing, same.cursor) == ({}, first.cursor)
    store.write(a_quote("NSE:M&M", sequence=2))
    assert (await poll(served, first.cursor))[0] == {"NSE:M&M": (1, 2)}


async def test_cursor_of_an_unknown_epoch_gets_a_snapshot() -> None:
    store = MemoryQuotes()
    served = ticker(store, keep_s=60)
    store.write(a_quote("NSE:INFY", epoch=2), a_quote("NSE:M&M", epoch=2))
    later = write_cursor({"NSE:INFY": Mark(9, 400), "NSE:M&M": Mark(2, 1)})
    ticks, view = await poll(served, later, wait_s=20)
    assert ticks == {"NSE:INFY": (2, 1)}
    assert (await poll(served, view.cursor))[0] == {}


async def test_epoch_that_only_the_store_knows_is_no_unknown_one() -> None:
    store = MemoryQuotes()
    served = ticker(store, keep_s=60)
    store.write(a_quote("NSE:INFY", sequence=50))
    await poll(served, ids=["NSE:INFY"])
    store.write(a_quote("NSE:INFY", epoch=2, sequence=4))
    seen_elsewhere = write_cursor({"NSE:INFY": Mark(2, 4)})
    assert (await poll(served, seen_elsewhere, ids=["NSE:INFY"]))[0] == {}


async def test_waiting_poll_is_answered_by_the_tick() -> None:
    store = MemoryQuotes()
    served = ticker(store)
    store.write(a_quote("NSE:INFY"))
    _, first = await poll(served)
    waiting = asyncio.create_task(poll(served, first.cursor, wait_s=20))
    await eventually(lambda: store.watches)
    store.write(a_quote("NSE:ITC", sequence=2))
    started = time.monotonic()
    store.write(a_quote("NSE:TCS"))
    assert (await waiting)[0] == {"NSE:TCS": (1, 1)}
    assert time.monotonic() - started < 0.5


async def test_poll_without_a_tick_ends_with_its_time() -> None:
    store = MemoryQuotes()
    store.write(a_quote("NSE:INFY"))
    served = ticker(store)
    _, first = await poll(served)
    ticks, view = await poll(served, first.cursor, wait_s=0.05)
    assert (ticks, view.cursor, view.ticks) == ({}, first.cursor, [])
    assert not store.watches


async def test_lost_hint_costs_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.application.quotes.ticker._POLL_S", 0.02)
    store = MemoryQuotes(loses_hints=True)
    store.write(a_quote("NSE:INFY"))
    served = ticker(store)
    _, first = await poll(served)
    waiting = asyncio.create_task(poll(served, first.cursor, wait_s=20))
    await eventually(lambda: store.watches)
    store.write(a_quote("NSE:INFY", sequence=2))
    assert (await waiting)[0] == {"NSE:INFY": (1, 2)}


async def test_no_tick_is_lost_in_ten_thousand_races() -> None:
    """The tick comes at any moment of a poll: before it, while it reads, while it begins to watch, while it waits."""
    store, chance = MemoryQuotes(), random.Random(1)
    store.write(a_quote("NSE:INFY"))
    served = ticker(store, keep_s=60)
    cursor = (await poll(served, ids=["NSE:INFY"]))[1].cursor

    async def tick(sequence: int, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        store.write(a_quote("NSE:INFY", sequence=sequence))

    started = time.monotonic()
    for sequence in range(2, _ROUNDS + 2):
        ticking = asyncio.create_task(tick(sequence, chance.randrange(25)))
        ticks, view = await poll(served, cursor, wait_s=20, ids=["NSE:INFY"])
        await ticking
        assert ticks == {"NSE:INFY": (1, sequence)}
        cursor = view.cursor
    # A lost wake-up would cost a second each.
    assert time.monotonic() - started < 60


async def test_polls_beyond_the_room_are_refused_and_answers_are_not() -> None:
    store = MemoryQuotes()
    store.write(a_quote("NSE:INFY"))
    served = ticker(store, most_waiting=2)
    _, first = await poll(served)
    waiting = [asyncio.create_task(poll(served, first.cursor, wait_s=20)) for _ in range(2)]
    await eventually(lambda: len(store.watches) == len(waiting))
    with pytest.raises(OverloadedError) as refused:
        await poll(served, first.cursor, wait_s=20)
    assert refused.value.retry_after_s == 1
    assert (await poll(served, wait_s=20))[0]
    assert (await poll(served, first.cursor))[0] == {}
    store.write(a_quote("NSE:INFY", sequence=2))
    assert [ticks for ticks, _ in await asyncio.gather(*waiting)] == [{"NSE:INFY": (1, 2)}] * 2
    await poll(served, first.cursor, wait_s=20)


async def test_abandoned_poll_gives_its_room_back() -> None:
    store = MemoryQuotes()
    store.write(a_quote("NSE:INFY"))
    served = ticker(store, most_waiting=1)
    _, first = await poll(served)
    abandoned = asyncio.create_task(poll(served, first.cursor, wait_s=20))
    await eventually(lambda: store.watches)
    abandoned.cancel()
    await asyncio.gather(abandoned, return_exceptions=True)
    assert not store.watches
    assert (await poll(served, first.cursor, wait_s=0.01))[0] == {}


async def test_stream_of_unknown_or_mute_instruments() -> None:
    store = MemoryQuotes()
    with pytest.raises(NotFoundError):
        await poll(ticker(store), ids=["NSE:NOTHING"])
    with pytest.raises(UnavailableError):
        await poll(ticker(store), wait_s=20)
    store.write(a_quote("NSE:INFY"))
    assert (await poll(ticker(store)))[1].stale is True, "nothing was ever received of the shard of M&M"


_MARKS = st.builds(Mark, st.integers(0, 10**15), st.integers(0, 10**15))
_ID = st.from_regex(r"[A-Z]{2,6}:[A-Z0-9&-]{1,40}", fullmatch=True)


@given(st.dictionaries(_ID, _MARKS, min_size=1, max_size=100))
def test_written_cursor_is_read_back_and_accepted(seen: Mapping[str, Mark]) -> None:
    cursor = write_cursor(seen)
    assert read_cursor(cursor) == seen
    assert StreamQuery.model_validate({"instruments": "NSE:INFY", "cursor": cursor}).cursor == cursor


@given(st.data())
def test_every_text_of_the_documented_form_is_a_cursor(data: Any) -> None:
    (described,) = [
        each for each in StreamQuery.model_json_schema()["properties"]["cursor"]["anyOf"] if "pattern" in each
    ]
    cursor = data.draw(st.from_regex(described["pattern"], fullmatch=True))
    assert read_cursor(StreamQuery.model_validate({"instruments": "NSE:INFY", "cursor": cursor}).cursor)


@given(st.text(max_size=60))
def test_other_texts_are_refused(text: str) -> None:
    try:
        StreamQuery.model_validate({"instruments": "NSE:INFY", "cursor": text})
    except ValueError:
        return
    assert write_cursor(read_cursor(text))
