"""Quotes from the board: what is written, what is read how often, what is stale, and what is left without a store."""

import time
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.application.market_status import MarketStatus
from shared.application.quotes.board import QuoteBoard
from shared.application.quotes.read import ReadQuotes
from shared.contracts.quote_writing import Form, WrittenQuote, write_depth, write_quotes
from shared.contracts.quotes import DepthView, FullQuote, LtpQuote, MarketStatusView, OhlcQuote, QuotesView
from shared.domain.errors import NotFoundError, UnavailableError
from shared.domain.market_data.quotes import Level, SessionPhase
from shared.domain.money import format_rupees, round_half_up
from tests.fakes.market import CLOSED, FixedMarket
from tests.fakes.quotes import SHARDS, MemoryQuotes, a_quote, a_state


def reading(store: MemoryQuotes, market: Any = None, **options: Any) -> ReadQuotes:
    return ReadQuotes(QuoteBoard(store, SHARDS, market or FixedMarket(), **options))


async def items(reads: ReadQuotes, *instrument_ids: str, mode: str = "ltp") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(await reads.quotes(instrument_ids, mode))["items"]
    return found


def test_every_mode_writes_exactly_its_view() -> None:
    written = WrittenQuote(a_quote())
    for mode, view in (("ltp", LtpQuote), ("ohlc", OhlcQuote), ("full", FullQuote)):
        answer = QuotesView.model_validate_json(write_quotes(Form.JSON, mode, [(written, True)], missing=["NSE:X"]))
        assert type(answer.items[0]) is view
    full = answer.items[0]
    assert isinstance(full, FullQuote)
    assert full.model_dump() == {
        "instrument_id": "NSE:INFY",
        "epoch": 1,
        "sequence": 1,
        "last_price": "1500.05",
        "last_trade_at": "2026-11-23T04:30:00.000000Z",
        "as_of": "2026-11-23T04:30:00.000001Z",
        "stale": True,
        "trade_date": "2026-11-23",
        "open": "1490.00",
        "high": "1510.00",
        "low": "1480.00",
        "previous_close": "1503.25",
        "change": "-3.20",
        "change_percent": "-0.21",
        "volume": 300,
        "phase": "CONTINUOUS",
        "last_quantity": 10,
        "average_price": "1500.0033",
        "turnover": "450001.00",
        "lower_circuit": "1350.00",
        "upper_circuit": "1650.00",
        "total_bid_quantity": 1000,
        "total_ask_quantity": 900,
        "open_interest": None,
        "bids": [
            {"price": "1500.00", "quantity": 20, "orders": 2},
            {"price": "1499.90", "quantity": 5, "orders": 1},
        ],
        "asks": [{"price": "1500.10", "quantity": 7, "orders": 1}],
    }


_amounts = st.integers(0, 10**11)
_maybe = st.none() | _amounts
_levels = st.lists(st.builds(Level, _amounts, _amounts, _amounts), max_size=5).map(tuple)


@given(
    quote=st.fixed_dictionaries(
        dict.fromkeys(("last_price", "last_quantity", "day_open", "day_high", "previous_close"), _maybe)
        | dict.fromkeys(("epoch", "sequence", "volume", "turnover", "upper_circuit", "exchange_time"), _amounts)
        | {"last_trade_at": _maybe, "bids": _levels, "asks": _levels, "phase": st.sampled_from(SessionPhase)}
    ),
    stale=st.booleans(),
)
def test_any_quote_is_written_as_its_view(quote: dict[str, Any], stale: bool) -> None:
    written = WrittenQuote(a_quote("NSE:M&M", **quote))
    answer = QuotesView.model_validate_json(write_quotes(Form.JSON, "full", [(written, stale)], missing=[]))
    (full,) = answer.items
    depth = DepthView.model_validate_json(write_depth(written, stale=stale))
    assert isinstance(full, FullQuote)
    assert (full.bids, full.asks, full.sequence) == (depth.bids, depth.asks, quote["sequence"])


@given(last=st.integers(0, 10**9), close=st.integers(1, 10**9))
@example(last=100_005, close=100_000)
@example(last=99_995, close=100_000)
@example(last=100_000, close=100_001)
def test_change_is_rounded_half_away_from_zero(last: int, close: int) -> None:
    written = WrittenQuote(a_quote(last_price=last, previous_close=close))
    answer = QuotesView.model_validate_json(write_quotes(Form.JSON, "ohlc", [(written, False)], missing=[]))
    (quote,) = answer.items
    assert isinstance(quote, OhlcQuote)
    assert quote.change == format_rupees(last - close)
    assert quote.change_percent == format_rupees(round_half_up((last - close) * 10_000, close))


async def test_quotes_come_in_the_order_asked_for() -> None:
    store = MemoryQuotes()
    store.write(*map(a_quote, ("NSE:INFY", "NSE:ITC", "NSE:M&M")))
    answer = orjson.loads(await reading(store).quotes(["NSE:M&M", "NSE:TCS", "NSE:INFY"], "ltp"))
    assert [each["instrument_id"] for each in answer["items"]] == ["NSE:M&M", "NSE:INFY"]
    assert answer["missing"] == ["NSE:TCS"]


async def test_unknown_instruments_are_named() -> None:
    with pytest.raises(NotFoundError, match="no market data of NSE:A, NSE:B") as refused:
        await reading(MemoryQuotes()).quotes(["NSE:INFY", "NSE:B", "NSE:A"], "ltp")
    assert refused.value.details == {"instruments": ["NSE:A", "NSE:B"]}


async def test_a_shard_is_read_once_in_a_while() -> None:
    store = MemoryQuotes()
    store.write(a_quote())
    reads = reading(store, keep_s=60)
    for _ in range(3):
        await items(reads, "NSE:INFY")
    assert store.readings == [{"NSE:INFY", "NSE:TCS"}]
    await items(reads, "NSE:INFY", "NSE:ITC")
    assert store.readings[1:] == [{"NSE:ITC", "NSE:M&M"}]


async def test_older_quote_never_replaces_a_newer_one() -> None:
    store = MemoryQuotes()
    reads = reading(store, keep_s=0)
    sequences = []
    for epoch, sequence in ((1, 5), (1, 4), (2, 1), (1, 9)):
        store.write(a_quote(epoch=epoch, sequence=sequence))
        (quote,) = await items(reads, "NSE:INFY")
        sequences.append((quote["epoch"], quote["sequence"]))
    assert sequences == [(1, 5), (1, 5), (2, 1), (2, 1)]


@pytest.mark.parametrize(
    ("age_s", "phase", "market", "stale"),
    [
        (0.5, SessionPhase.CONTINUOUS, FixedMarket(), False),
        (3.5, SessionPhase.CONTINUOUS, FixedMarket(), True),
        (3.5, SessionPhase.CONTINUOUS, CLOSED, True),
        (3.5, SessionPhase.CLOSED, FixedMarket(), True),
        (3600.0, SessionPhase.CLOSED, CLOSED, False),
    ],
)
async def test_stale_is_what_the_heartbeat_says(age_s: float, phase: SessionPhase, market: Any, stale: bool) -> None:
    store = MemoryQuotes()
    store.write(a_quote())
    store.states["s000"] = a_state(age_s=age_s, phase=phase)
    (quote,) = await items(reading(store, market), "NSE:INFY")
    assert quote["stale"] is stale


async def test_without_the_store_the_last_known_grows_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryQuotes()
    store.write(a_quote())
    reads = reading(store, keep_s=0)
    assert not (await items(reads, "NSE:INFY"))[0]["stale"]
    store.stored.clear()
    store.states.clear()
    late = time.time() + 3.1
    monkeypatch.setattr("shared.application.quotes.board.time.time", lambda: late)
    assert (await items(reads, "NSE:INFY"))[0]["stale"]


@pytest.mark.parametrize(
    "ask", [lambda reads: reads.quotes(["NSE:INFY"], "full"), lambda reads: reads.depth("NSE:INFY")]
)
async def test_nothing_known_is_unavailable(ask: Any) -> None:
    with pytest.raises(UnavailableError, match="No quotes have arrived yet") as refused:
        await ask(reading(MemoryQuotes()))
    assert refused.value.retry_after_s == 1


async def test_status_names_the_shards_that_are_mute() -> None:
    store = MemoryQuotes()

    async def status() -> MarketStatusView:
        return await MarketStatus(QuoteBoard(store, SHARDS, FixedMarket()), FixedMarket()).get()

    assert (await status()).feed.state == "UNKNOWN"
    store.write(a_quote("NSE:INFY"), a_quote("NSE:ITC"))
    assert (await status()).feed.state == "LIVE"
    store.states["s001"] = a_state("s001", age_s=10)
    degraded = await status()
    assert (degraded.segments[0].market, degraded.feed.state, degraded.feed.stale_shards) == (
        "OPEN",
        "DEGRADED",
        ["s001"],
    )
