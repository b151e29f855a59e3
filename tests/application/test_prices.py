"""Prices: the feed's where it has one, and what is known instead."""

import time
from datetime import date
from typing import Any

import pytest

from shared.adapters.reference import load_reference_data
from shared.application.portfolios import Portfolios
from shared.application.prices import LivePrices, ReferencePrices
from shared.application.quotes.board import QuoteBoard
from shared.contracts.portfolios import PortfolioView
from shared.domain.lots import COST_UNITS, Standing
from shared.domain.orders.terms import Product
from shared.domain.portfolios import DayPosition, Holding
from shared.domain.positions import Turnover
from shared.domain.prices import PriceSource
from shared.ports.portfolios import PortfolioRecord
from shared.ports.prices import Price
from tests.fakes.market import FixedMarket
from tests.fakes.quotes import EXCHANGE_TIME, SHARDS, MemoryQuotes, a_quote
from tests.support.values import ALICE

INSTRUMENTS = load_reference_data().instruments
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
INFY_ISIN = "INE009A01021"


def live(store: MemoryQuotes) -> LivePrices:
    return LivePrices(QuoteBoard(store, SHARDS, FixedMarket(), keep_s=0), ReferencePrices(INSTRUMENTS))


async def price(store: MemoryQuotes, on: date = MONDAY, instrument_id: str = "NSE:INFY") -> Price:
    return (await live(store).prices([instrument_id], on))[instrument_id]


async def test_best_known_price_is_the_newest_kind_there_is() -> None:
    store = MemoryQuotes()
    assert await price(store) == Price(150_000, PriceSource.REFERENCE)
    store.write(a_quote(last_price=None, last_trade_at=None, previous_close=149_000))
    assert await price(store) == Price(149_000, PriceSource.CLOSE, EXCHANGE_TIME, False, 149_000)
    store.write(a_quote(sequence=2, last_price=151_000, previous_close=149_000))
    assert await price(store) == Price(151_000, PriceSource.LAST, EXCHANGE_TIME - 1, False, 149_000)
    assert await price(store, TUESDAY) == Price(151_000, PriceSource.LAST, EXCHANGE_TIME - 1, False, 151_000)


async def test_instruments_without_feed_keep_their_reference() -> None:
    store = MemoryQuotes()
    store.write(a_quote())
    found = await live(store).prices(["NSE:INFY", "NSE:SBIN", "NSE:NOTHING"], MONDAY)
    assert {each: found[each].source for each in found} == {
        "NSE:INFY": PriceSource.LAST,
        "NSE:SBIN": PriceSource.REFERENCE,
    }


async def test_last_price_protects_only_while_the_feed_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryQuotes()
    prices = live(store)
    assert await prices.last_price("NSE:INFY") is None
    assert await prices.last_price("NSE:NOTHING") is None
    store.write(a_quote(last_price=151_000))
    monkeypatch.setattr("shared.application.prices._KEEP_S", 0.0)
    assert await prices.last_price("NSE:INFY") == 151_000
    late = time.time() + 3.1
    monkeypatch.setattr("shared.application.quotes.board.time.time", lambda: late)
    assert await prices.last_price("NSE:INFY") is None
    assert (await prices.prices(["NSE:INFY"], MONDAY))["NSE:INFY"].stale


async def test_orders_of_one_second_share_a_reading() -> None:
    store = MemoryQuotes()
    store.write(a_quote())
    prices = live(store)
    for _ in range(100):
        await prices.last_price("NSE:INFY")
    assert len(store.readings) == 1


class _Record:
    """`PortfolioReader`: so much INFY was there before, so much was bought and sold today."""

    def __init__(self, held: int, today: Turnover) -> None:
        left = held + today.net_quantity
        standing = Standing(left, 0, left * 140_000 * COST_UNITS)
        traded = [DayPosition("NSE:INFY", Product.CNC, today)] if today.buy_quantity or today.sell_quantity else []
        self.record = PortfolioRecord(MONDAY, [Holding(INFY_ISIN, left, 0, 0, standing)], traded)

    async def portfolio(self, user_id: object) -> PortfolioRecord:
        return self.record


async def valued(held: int, today: Turnover, **quote: Any) -> PortfolioView:
    store = MemoryQuotes()
    store.write(a_quote(**quote))
    return await Portfolios(_Record(held, today), live(store), INSTRUMENTS).get(ALICE)


async def test_profit_moves_with_ticks() -> None:
    for last, pnl, day in ((150_000, "1000.00", "-20.00"), (151_000, "1100.00", "80.00")):
        view = await valued(10, Turnover(), last_price=last, previous_close=150_200)
        (holding,) = view.holdings
        assert (holding.pnl, holding.day_pnl, view.totals.day_pnl) == (pnl, day, day)
        assert (holding.price_source, holding.price_stale) == ("LAST", False)
        assert holding.price_as_of == "2026-11-23T04:30:00.000000Z"


async def test_day_profit_counts_trades_from_their_price() -> None:
    """10 from before at 1,500.00; 5 bought at 1,490.00 and 3 sold at 1,520.00 today; now 1,510.00."""
    today = Turnover(buy_quantity=5, buy_value=5 * 149_000, sell_quantity=3, sell_value=3 * 152_000)
    view = await valued(10, today, last_price=151_000, previous_close=150_000)
    by_hand = 7 * (151_000 - 150_000) + 5 * (151_000 - 149_000) + 3 * (152_000 - 150_000)
    assert view.totals.day_pnl == f"{by_hand // 100}.{by_hand % 100:02d}"


async def test_sale_of_everything_ends_the_days_profit() -> None:
    """10 from before at 1,500.00, all sold at 1,520.00: what the price does after that changes nothing."""
    today = Turnover(sell_quantity=10, sell_value=10 * 152_000)
    for last in (151_000, 160_000):
        view = await valued(10, today, last_price=last, previous_close=150_000)
        assert (view.holdings, view.totals.day_pnl) == ([], "200.00")
