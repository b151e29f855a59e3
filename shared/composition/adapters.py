"""Settings become adapters: the one file that assigns adapters to ports.

Nothing here waits for a connection, and what few processes use is imported when it is used (see the adapters).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import azure.durable_functions as df

from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.cosmos.candle_history import CosmosCandleHistory
from shared.adapters.cosmos.container import CosmosAddress, CosmosContainer
from shared.adapters.durable.finished_sagas import DurableFinishedSagas
from shared.adapters.durable.order_sagas import DurableOrderSagas
from shared.adapters.entra.keys import KeySet
from shared.adapters.entra.tokens import EntraTokenVerifier
from shared.adapters.exchange.records import HttpVenueRecords
from shared.adapters.exchange.resends import HttpResends
from shared.adapters.postgres.backlog import PostgresBacklog
from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.doubts import PostgresDoubts
from shared.adapters.postgres.funds import PostgresFunds
from shared.adapters.postgres.health import PostgresProgress
from shared.adapters.postgres.housekeeping import PostgresHousekeeping
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.postgres.missing_reports import PostgresLanePositions
from shared.adapters.postgres.notifications import PostgresStreams
from shared.adapters.postgres.order_sagas import PostgresSagaRecords
from shared.adapters.postgres.orders import PostgresOrderRecords
from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.postgres.parked_events import PostgresParkedEvents
from shared.adapters.postgres.passwords import password_source
from shared.adapters.postgres.portfolios import PostgresPortfolios
from shared.adapters.postgres.reconciliation import PostgresTradeDay
from shared.adapters.postgres.replies import PostgresReplies
from shared.adapters.postgres.sagas import PostgresSagas
from shared.adapters.postgres.trades import PostgresTrades
from shared.adapters.postgres.watchlists import PostgresWatchlists
from shared.adapters.postgres.webhooks import PostgresWebhooks
from shared.adapters.redis.client import Client, connect, open_early
from shared.adapters.redis.dispatch_hints import RedisDispatchHints
from shared.adapters.redis.leases import RedisLeases
from shared.adapters.redis.market_shards import RedisMarketShards
from shared.adapters.redis.portfolios import RedisPortfolioCache
from shared.adapters.redis.presence import RedisPresence
from shared.adapters.redis.quotes import RedisLiveCandles, RedisMarketWakeups, RedisQuotes
from shared.adapters.redis.rate_limits import RedisRequestCounter
from shared.adapters.redis.wakeups import RedisWakeups
from shared.adapters.reference import ReferenceData
from shared.adapters.service_bus.administration import ServiceBusInspector
from shared.adapters.service_bus.connection import BusConnection
from shared.adapters.service_bus.exchange import ServiceBusExchange
from shared.adapters.service_bus.ping import ServiceBusPing
from shared.adapters.signalr.market import SignalRMarketPush
from shared.adapters.signalr.memberships import SignalRMemberships
from shared.adapters.signalr.push import SignalRPush
from shared.adapters.signalr.service import ServiceAddress, SignalRService
from shared.adapters.webhooks.sender import AiohttpWebhookSender
from shared.application.health import Dependency, judge_progress
from shared.application.market_data.health import judge_feed
from shared.composition.market_data import MarketDataPorts
from shared.composition.market_reading import MarketReadingPorts
from shared.composition.notifying import NotifyingPorts
from shared.composition.operations import OperationsPorts
from shared.composition.reading import ReadingPorts
from shared.composition.trading import TradingPorts
from shared.config import Settings
from shared.domain.webhooks import SigningKeys
from shared.ports.housekeeping import FinishedSagas
from shared.ports.identity import TokenVerifier
from shared.ports.order_sagas import OrderSagas
from shared.ports.rate_limits import RequestCounter

EXCHANGE_REQUESTS, EXECUTION_REPORTS = "exchange-requests", "execution-reports"
_CANDLES = "candles"


@dataclass(frozen=True)
class Adapters:
    """What serves each port in this process."""

    identity: TokenVerifier
    counter: RequestCounter
    trading: TradingPorts
    order_sagas: Callable[[df.DurableOrchestrationClient], OrderSagas]
    finished_sagas: Callable[[df.DurableOrchestrationClient], FinishedSagas]
    """The engine and its records, by the client that an invocation brings along."""
    reading: ReadingPorts
    market_reading: MarketReadingPorts
    operations: OperationsPorts
    market_data: MarketDataPorts
    notifying: NotifyingPorts
    dependencies: tuple[Dependency, ...]
    """What the health check looks at."""
    opening: asyncio.Task[None]
    """Ends by itself; kept, because the event loop keeps no task."""


async def connect_adapters(config: Settings, reference: ReferenceData) -> Adapters:
    """The adapters of one process, built inside the event loop that uses them."""
    identity = ManagedIdentity()
    database = Database(
        config.postgres_url, most=config.postgres_pool, password=password_source(config.postgres_url, identity)
    )
    redis = connect(config.redis_url, cluster=config.redis_cluster, identity=identity)
    opening = asyncio.create_task(open_early(redis), name="redis")
    push, candles = _push(config, redis, identity), _candles(config, identity)
    history = None if candles is None else CosmosCandleHistory(candles)
    await database.open()
    market = PostgresMarket(database, reference.markets[config.market_sessions])
    books, wakeups = PostgresBooks(database, reference.rate_cards), RedisWakeups(redis)
    bus = BusConnection(config.service_bus_connection, config.service_bus_namespace, identity)
    exchange = ServiceBusExchange(bus)
    exchange.open_early()
    inspector, progress = _inspector(config, bus), PostgresProgress(database)
    venue = HttpVenueRecords(config.exchange_api_url) if config.exchange_api_url else None
    quotes = RedisQuotes(redis, reference.shards)
    return Adapters(
        identity=EntraTokenVerifier(
            KeySet(config.entra_jwks_url), issuer=config.entra_issuer, audience=config.entra_audience
        ),
        counter=RedisRequestCounter(redis),
        order_sagas=DurableOrderSagas,
        finished_sagas=DurableFinishedSagas,
        trading=TradingPorts(
            books=books,
            orders=PostgresOrderRecords(database),
            sagas=PostgresSagaRecords(database),
            outbox=PostgresOutbox(database),
            exchange=exchange,
            audience=wakeups if push.hubs is None else push.hubs.audience(wakeups),
            wakeups=wakeups,
            dispatch_hints=RedisDispatchHints(redis),
            market=market,
            lanes=PostgresLanePositions(database),
            streams=PostgresStreams(database),
            venue=venue,
        ),
        reading=ReadingPorts(
            portfolios=PostgresPortfolios(database),
            portfolio_cache=RedisPortfolioCache(redis),
            streams=PostgresStreams(database),
            trades=PostgresTrades(database),
            funds=PostgresFunds(database),
            market=market,
            watchlists=PostgresWatchlists(database),
            replies=PostgresReplies(database),
        ),
        market_reading=MarketReadingPorts(
            quotes=quotes,
            wakeups=RedisMarketWakeups(redis),
            live_candles=RedisLiveCandles(redis, reference.shards),
            candle_history=history,
            market=market,
            push=push.market,
        ),
        operations=OperationsPorts(
            books=books,
            sagas=PostgresSagas(database),
            doubts=PostgresDoubts(database),
            replies=PostgresReplies(database),
            ledger=PostgresLedger(database),
            trade_day=PostgresTradeDay(database),
            venue=venue,
            backlog=PostgresBacklog(database),
            queues=inspector,
            housekeeping=PostgresHousekeeping(database),
            market=market,
        ),
        market_data=MarketDataPorts(
            shards=RedisMarketShards(redis, reference.shards),
            parked=PostgresParkedEvents(database),
            resends=HttpResends(config.exchange_api_url) if config.exchange_api_url else None,
            history=history,
            market=market,
            push=push.market,
        ),
        notifying=NotifyingPorts(
            hubs=push.hubs,
            memberships=push.memberships,
            webhooks=PostgresWebhooks(database),
            webhook_sender=AiohttpWebhookSender(private_allowed=config.webhook_private_addresses),
            webhook_keys=SigningKeys.parsed(config.webhook_keys) if config.webhook_keys else None,
            plain_webhooks=config.webhook_private_addresses,
        ),
        opening=opening,
        dependencies=(
            Dependency("postgresql", required=True, probe=progress.write),
            Dependency("orders", required=True, probe=partial(judge_progress, progress)),
            Dependency("service-bus", required=False, probe=ServiceBusPing(bus, EXECUTION_REPORTS), keep_s=5.0),
            Dependency("redis", required=False, probe=redis.ping),
            Dependency("market-data", required=False, probe=partial(judge_feed, quotes, reference.shards, market)),
            *([] if push.hubs is None else [Dependency("signalr", required=False, probe=push.hubs.ping, keep_s=5.0)]),
            *([] if candles is None else [Dependency("cosmos", required=False, probe=candles.ping, keep_s=5.0)]),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Push:
    """What serves clients that are pushed to."""

    hubs: SignalRPush | None = None
    memberships: SignalRMemberships | None = None
    market: SignalRMarketPush | None = None


def _push(config: Settings, redis: Client, identity: ManagedIdentity) -> _Push:
    address = ServiceAddress.parsed(config.signalr_connection, config.signalr_service_uri, identity)
    if address is None:
        return _Push()
    service, leases = SignalRService(address), RedisLeases(redis)
    return _Push(
        SignalRPush(service, RedisPresence(redis)),
        SignalRMemberships(service, leases),
        SignalRMarketPush(service, leases),
    )


def _candles(config: Settings, identity: ManagedIdentity) -> CosmosContainer | None:
    address = CosmosAddress.parsed(
        config.cosmos_connection, config.cosmos_endpoint, config.cosmos_database, config.cosmos_region, identity
    )
    return None if address is None else CosmosContainer(address, _CANDLES)


def _inspector(config: Settings, bus: BusConnection) -> ServiceBusInspector:
    administration = BusConnection(
        config.service_bus_admin_connection or config.service_bus_connection,
        config.service_bus_namespace,
        bus.identity,
    )
    return ServiceBusInspector(
        bus, administration, (EXCHANGE_REQUESTS, EXECUTION_REPORTS), (EXECUTION_REPORTS,), config.service_bus_admin_ca
    )
