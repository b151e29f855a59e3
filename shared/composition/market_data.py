"""Taking the market feed in."""

from dataclasses import dataclass

from shared.application.market_data.closing import Closing
from shared.application.market_data.ingest import MarketData
from shared.application.market_data.lag import Lag
from shared.application.market_data.repairs import Repairs
from shared.domain.market_data.shards import ShardMap
from shared.ports.candles import CandleHistory
from shared.ports.market import Market
from shared.ports.market_push import MarketPush
from shared.ports.market_shards import MarketShards
from shared.ports.parked_events import ParkedEvents
from shared.ports.resends import Resends


@dataclass(frozen=True)
class MarketDataPorts:
    """The ports that ingest needs."""

    shards: MarketShards
    parked: ParkedEvents
    resends: Resends | None
    """None: no venue is connected, and gaps stay open."""
    history: CandleHistory | None
    """None: candles stay in the shards for a day."""
    market: Market
    push: MarketPush | None = None
    """None: clients read, and nothing is pushed."""


def wire_market_data(ports: MarketDataPorts, shards: ShardMap) -> MarketData:
    """One process's ingest on these ports."""
    return MarketData(
        shards,
        ports.shards,
        ports.parked,
        Repairs(ports.resends),
        Closing(ports.history),
        Lag(ports.market),
        ports.push,
    )
