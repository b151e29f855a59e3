"""The composition root: adapters are built from settings, use cases are wired on them.

Built once a process, inside the event loop that serves it. Tests call `wire_trading`, `wire_reading`,
`wire_market_reading`, `wire_operations`, `wire_market_data` and `assemble` with fakes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import azure.durable_functions as df

from shared.adapters.reference import load_reference_data
from shared.application.backlog import Backlog
from shared.application.candles import Candles
from shared.application.doubts import Doubts
from shared.application.funds import Funds
from shared.application.health import Health
from shared.application.housekeeping import Upkeep
from shared.application.instruments import Instruments
from shared.application.ledger import Ledger
from shared.application.market_data.ingest import MarketData
from shared.application.market_status import MarketStatus
from shared.application.notifications import Notifications, StreamPositions
from shared.application.orders.cancel import CancelOrders
from shared.application.orders.execution_reports import ExecutionReports
from shared.application.orders.judge import Rules
from shared.application.orders.missing_reports import MissingReports
from shared.application.orders.place import PlaceOrders
from shared.application.orders.read import ReadOrders
from shared.application.orders.recovery import Recovery
from shared.application.orders.saga import OrderSaga
from shared.application.portfolios import Portfolios
from shared.application.push import Push
from shared.application.quotes.movers import Movers
from shared.application.quotes.read import ReadQuotes
from shared.application.quotes.ticker import MarketTicker
from shared.application.rate_limits import RateLimits
from shared.application.reconciliation import Reconciliation
from shared.application.sagas import Sagas
from shared.application.subscriptions import Subscriptions
from shared.application.sweep import Sweep
from shared.application.trades import Trades
from shared.application.watchlists import Watchlists
from shared.application.webhooks import WebhookDeliveries, Webhooks
from shared.composition.adapters import connect_adapters
from shared.composition.market_data import wire_market_data
from shared.composition.market_reading import MarketReading, wire_market_reading
from shared.composition.notifying import Notifying, wire_notifying
from shared.composition.operations import Operations, wire_operations
from shared.composition.reading import Reading, wire_reading
from shared.composition.trading import Trading, wire_trading
from shared.config import Settings, settings
from shared.ports.housekeeping import FinishedSagas
from shared.ports.identity import TokenVerifier
from shared.ports.order_sagas import OrderSagas
from shared.ports.rate_limits import RateLimiter


@dataclass(frozen=True)
class Application:
    """The use cases that triggers and activities call."""

    identity: TokenVerifier
    limiter: RateLimiter
    order_sagas: Callable[[df.DurableOrchestrationClient], OrderSagas]
    finished_sagas: Callable[[df.DurableOrchestrationClient], FinishedSagas]
    """The engine and its records, by the client that an invocation brings along."""
    place_orders: PlaceOrders
    cancel_orders: CancelOrders
    read_orders: ReadOrders
    order_saga: OrderSaga
    recovery: Recovery
    execution_reports: ExecutionReports
    missing_reports: MissingReports
    sweep: Sweep
    stream_positions: StreamPositions
    notifications: Notifications
    portfolios: Portfolios
    trades: Trades
    funds: Funds
    instruments: Instruments
    watchlists: Watchlists
    quotes: ReadQuotes
    market_ticker: MarketTicker
    market_status: MarketStatus
    movers: Movers
    candles: Candles
    sagas: Sagas
    doubts: Doubts
    ledger: Ledger
    reconciliation: Reconciliation
    backlog: Backlog
    upkeep: Upkeep
    market_data: MarketData
    health: Health
    push: Push
    subscriptions: Subscriptions
    webhooks: Webhooks
    webhook_deliveries: WebhookDeliveries


def assemble(
    trading: Trading,
    reading: Reading,
    market_reading: MarketReading,
    operations: Operations,
    market_data: MarketData,
    notifying: Notifying,
    *,
    identity: TokenVerifier,
    limiter: RateLimiter,
    order_sagas: Callable[[df.DurableOrchestrationClient], OrderSagas],
    finished_sagas: Callable[[df.DurableOrchestrationClient], FinishedSagas],
    health: Health,
) -> Application:
    """The application of the wired parts and of what stands beside them."""
    return Application(
        identity=identity,
        limiter=limiter,
        order_sagas=order_sagas,
        finished_sagas=finished_sagas,
        place_orders=trading.place_orders,
        cancel_orders=trading.cancel_orders,
        read_orders=trading.read_orders,
        order_saga=trading.order_saga,
        recovery=trading.recovery,
        execution_reports=trading.execution_reports,
        missing_reports=trading.missing_reports,
        sweep=trading.sweep,
        stream_positions=trading.stream_positions,
        notifications=trading.notifications,
        portfolios=reading.portfolios,
        trades=reading.trades,
        funds=reading.funds,
        instruments=reading.instruments,
        watchlists=reading.watchlists,
        quotes=market_reading.quotes,
        market_ticker=market_reading.ticker,
        market_status=market_reading.status,
        movers=market_reading.movers,
        candles=market_reading.candles,
        sagas=operations.sagas,
        doubts=operations.doubts,
        ledger=operations.ledger,
        reconciliation=operations.reconciliation,
        backlog=operations.backlog,
        upkeep=operations.upkeep,
        market_data=market_data,
        health=health,
        push=notifying.push,
        subscriptions=notifying.subscriptions,
        webhooks=notifying.webhooks,
        webhook_deliveries=notifying.webhook_deliveries,
    )


async def build(config: Settings) -> Application:
    """Wire everything for one process. Nothing waits for a connection."""
    reference = load_reference_data()
    adapters = await connect_adapters(config, reference)
    limiter = RateLimits(adapters.counter, reference.rate_limits)
    market_reading = wire_market_reading(
        adapters.market_reading,
        reference.shards,
        reference.instruments,
        reference.adjustments,
        waiting_polls=config.market_stream_waiting,
    )
    trading = wire_trading(
        adapters.trading,
        Rules(reference.instruments, reference.limits, reference.rate_cards),
        config.timing,
        limiter,
        sagas_in_flight=config.sagas_in_flight,
        orders_per_saga=config.orders_per_saga,
        last_prices=market_reading.prices,
    )
    return assemble(
        trading,
        wire_reading(adapters.reading, reference.instruments, market_reading.prices),
        market_reading,
        wire_operations(adapters.operations, trading.publisher),
        wire_market_data(adapters.market_data, reference.shards),
        wire_notifying(adapters.notifying, reference.shards, market_reading.board),
        identity=adapters.identity,
        limiter=limiter,
        order_sagas=adapters.order_sagas,
        finished_sagas=adapters.finished_sagas,
        health=Health(adapters.dependencies),
    )


_built: asyncio.Future[Application] | None = None


async def application() -> Application:
    """The process's application, built by the first caller. Raises what building raised, to every caller."""
    global _built  # noqa: PLW0603 - one application a process is what this module is for
    if _built is None:
        _built = asyncio.ensure_future(build(settings()))
    return await asyncio.shield(_built)
