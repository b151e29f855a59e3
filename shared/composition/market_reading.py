"""What clients read of the market: quotes, books, the ticker, the market's state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.application.candles import Candles
from shared.application.market_status import MarketStatus
from shared.application.prices import LivePrices, ReferencePrices
from shared.application.quotes.board import QuoteBoard
from shared.application.quotes.movers import Movers
from shared.application.quotes.read import ReadQuotes
from shared.application.quotes.silence import Silence
from shared.application.quotes.ticker import MarketTicker
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.market_data.adjustments import AdjustmentFactor
from shared.domain.market_data.shards import ShardMap
from shared.ports.candles import CandleHistory, LiveCandles
from shared.ports.market import Market
from shared.ports.market_push import MarketPush
from shared.ports.quotes import MarketWakeups, Quotes


@dataclass(frozen=True)
class MarketReadingPorts:
    """The ports that reading the market needs."""

    quotes: Quotes
    wakeups: MarketWakeups
    live_candles: LiveCandles
    candle_history: CandleHistory | None
    """None: candles are kept nowhere but where ingest makes them."""
    market: Market
    push: MarketPush | None = None
    """None: nobody is to be reached when a shard goes mute."""


@dataclass(frozen=True)
class MarketReading:
    """The use cases, the prices that others value and judge by, and the copy of the quotes that all share."""

    board: QuoteBoard
    prices: LivePrices
    quotes: ReadQuotes
    ticker: MarketTicker
    status: MarketStatus
    movers: Movers
    candles: Candles


def wire_market_reading(
    ports: MarketReadingPorts,
    shards: ShardMap,
    instruments: InstrumentMaster,
    factors: Mapping[str, Sequence[AdjustmentFactor]],
    *,
    waiting_polls: int,
) -> MarketReading:
    """One process's reading on these ports; at most `waiting_polls` polls of the ticker wait at a time."""
    silence = Silence(ports.quotes, ports.push)
    board = QuoteBoard(ports.quotes, shards, ports.market, notice=silence.notice)
    return MarketReading(
        board=board,
        prices=LivePrices(board, ReferencePrices(instruments)),
        quotes=ReadQuotes(board),
        ticker=MarketTicker(board, ports.wakeups, most_waiting=waiting_polls),
        status=MarketStatus(board, ports.market),
        movers=Movers(board),
        candles=Candles(ports.live_candles, ports.candle_history, instruments, ports.market, factors),
    )
