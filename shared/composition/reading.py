"""What clients read beside their orders: portfolios, trades, funds, instruments, watchlists."""

from dataclasses import dataclass

from shared.application.funds import Funds
from shared.application.instruments import Instruments
from shared.application.notifications import StreamPositions
from shared.application.portfolio_cache import CachedPortfolios
from shared.application.portfolios import Portfolios
from shared.application.trades import Trades
from shared.application.watchlists import Watchlists
from shared.domain.instruments.master import InstrumentMaster
from shared.ports.funds import FundsReader
from shared.ports.market import Market
from shared.ports.notifications import StreamReader
from shared.ports.portfolios import PortfolioCache, PortfolioReader
from shared.ports.prices import Prices
from shared.ports.replies import Replies
from shared.ports.trades import TradeReader
from shared.ports.watchlists import WatchlistStore


@dataclass(frozen=True)
class ReadingPorts:
    """The ports that reading needs."""

    portfolios: PortfolioReader
    portfolio_cache: PortfolioCache
    streams: StreamReader
    trades: TradeReader
    funds: FundsReader
    market: Market
    watchlists: WatchlistStore
    replies: Replies


@dataclass(frozen=True)
class Reading:
    """The use cases."""

    portfolios: Portfolios
    trades: Trades
    funds: Funds
    instruments: Instruments
    watchlists: Watchlists


def wire_reading(ports: ReadingPorts, instruments: InstrumentMaster, prices: Prices) -> Reading:
    """One process's reading on these ports."""
    positions = StreamPositions(ports.streams)
    portfolios = CachedPortfolios(ports.portfolios, ports.portfolio_cache, positions, ports.market)
    return Reading(
        portfolios=Portfolios(portfolios, prices, instruments),
        trades=Trades(ports.trades),
        funds=Funds(ports.funds),
        instruments=Instruments(instruments, prices, ports.market),
        watchlists=Watchlists(ports.watchlists, ports.replies, instruments),
    )
