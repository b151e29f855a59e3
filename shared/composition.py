"""The composition root: the one place that knows which adapter serves which port.

Built once a process, inside the event loop that serves it. Nothing here waits for a connection.
"""

import asyncio
from dataclasses import dataclass

from shared.adapters.entra.keys import KeySet
from shared.adapters.entra.tokens import EntraTokenVerifier
from shared.adapters.exchange.records import HttpVenueRecords
from shared.adapters.postgres.backlog import PostgresBacklog
from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.doubts import PostgresDoubts
from shared.adapters.postgres.housekeeping import PostgresHousekeeping
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.postgres.order_sagas import PostgresSagaRecords
from shared.adapters.postgres.orders import PostgresOrderRecords
from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.postgres.reads import PostgresReads
from shared.adapters.postgres.reconciliation import PostgresTradeDay
from shared.adapters.postgres.replies import PostgresReplies
from shared.adapters.postgres.sagas import PostgresSagas
from shared.adapters.redis.client import connect
from shared.adapters.redis.rate_limits import RedisRequestCounter
from shared.adapters.redis.wakeups import RedisWakeups
from shared.adapters.reference_data import load_reference_data
from shared.adapters.service_bus.administration import ServiceBusInspector
from shared.adapters.service_bus.connection import BusConnection
from shared.adapters.service_bus.exchange import ServiceBusExchange
from shared.application.backlog import Backlog
from shared.application.dispatch import Dispatcher
from shared.application.doubts import Doubts
from shared.application.execution_reports import ExecutionReports
from shared.application.funds import Funds
from shared.application.health import Dependency, Health
from shared.application.housekeeping import Nightly
from shared.application.instruments import Instruments, ReferencePrices
from shared.application.ledger import Ledger
from shared.application.order_saga import OrderSaga
from shared.application.orders import Orders, Rules
from shared.application.portfolios import Portfolios
from shared.application.publishing import Publisher
from shared.application.rate_limits import RateLimits
from shared.application.reconciliation import Reconciliation
from shared.application.recovery import Recovery
from shared.application.sagas import Sagas
from shared.application.sweep import Sweep
from shared.application.trades import Trades
from shared.config import Settings, settings
from shared.contracts.problems import write_problem
from shared.ports.identity import TokenVerifier
from shared.ports.rate_limits import RateLimiter

EXCHANGE_REQUESTS, EXECUTION_REPORTS = "exchange-requests", "execution-reports"


@dataclass(frozen=True)
class Application:
    """The use cases that triggers and activities call."""

    identity: TokenVerifier
    limiter: RateLimiter
    orders: Orders
    order_saga: OrderSaga
    recovery: Recovery
    execution_reports: ExecutionReports
    sweep: Sweep
    portfolios: Portfolios
    trades: Trades
    funds: Funds
    instruments: Instruments
    sagas: Sagas
    doubts: Doubts
    ledger: Ledger
    reconciliation: Reconciliation
    backlog: Backlog
    nightly: Nightly
    health: Health


async def build(config: Settings) -> Application:
    """Wire everything for one process."""
    data = load_reference_data()
    timing = config.timing
    database, redis = Database(config.postgres_url, most=config.postgres_pool), connect(config.redis_url)
    await database.open()
    limiter = RateLimits(RedisRequestCounter(redis), data.limits)
    wakeups = RedisWakeups(redis)
    books, records = PostgresBooks(database, data.rate_cards), PostgresSagaRecords(database)
    market = PostgresMarket(database, data.calendars[config.session_calendar])
    reads = PostgresReads(database)
    prices = ReferencePrices(data.instruments)
    bus = BusConnection(config.service_bus_connection, config.service_bus_namespace)
    exchange = ServiceBusExchange(bus)
    exchange.open_early()
    ledger = PostgresLedger(database)
    publisher = Publisher(exchange, wakeups, PostgresOutbox(database), records)
    dispatcher = Dispatcher(records, timing, most_sagas=config.sagas_in_flight, most_orders=config.orders_per_saga)
    recovery = Recovery(books, publisher, timing)
    return Application(
        identity=EntraTokenVerifier(
            KeySet(config.entra_jwks_url), issuer=config.entra_issuer, audience=config.entra_audience
        ),
        limiter=limiter,
        orders=Orders(
            books=books,
            records=PostgresOrderRecords(database),
            rules=Rules(data.instruments, data.limits, data.rate_cards),
            market=market,
            limiter=limiter,
            publisher=publisher,
            dispatcher=dispatcher,
            wakeups=wakeups,
            timing=timing,
            write_problem=write_problem,
        ),
        order_saga=OrderSaga(books, records, publisher, dispatcher, market, timing),
        recovery=recovery,
        execution_reports=ExecutionReports(books, publisher, market, timing),
        sweep=Sweep(publisher, dispatcher, recovery, records),
        portfolios=Portfolios(reads, prices),
        trades=Trades(reads),
        funds=Funds(reads),
        instruments=Instruments(data.instruments, prices, market),
        sagas=Sagas(PostgresSagas(database)),
        doubts=Doubts(books, PostgresDoubts(database), PostgresReplies(database), publisher),
        ledger=Ledger(ledger),
        reconciliation=Reconciliation(
            PostgresTradeDay(database), HttpVenueRecords(config.exchange_api_url) if config.exchange_api_url else None
        ),
        backlog=Backlog(PostgresBacklog(database), _inspector(config, bus)),
        nightly=Nightly(PostgresHousekeeping(database), ledger),
        health=Health(
            [
                Dependency("postgresql", required=True, probe=database.ping),
                Dependency("redis", required=False, probe=redis.ping),
            ]
        ),
    )


def _inspector(config: Settings, bus: BusConnection) -> ServiceBusInspector:
    administration = BusConnection(
        config.service_bus_admin_connection or config.service_bus_connection, config.service_bus_namespace
    )
    return ServiceBusInspector(
        bus, administration, (EXCHANGE_REQUESTS, EXECUTION_REPORTS), (EXECUTION_REPORTS,), config.service_bus_admin_ca
    )


_built: asyncio.Future[Application] | None = None


async def application() -> Application:
    """The process's application, built by the first caller. Raises what building raised, to every caller."""
    global _built  # noqa: PLW0603 - one application a process is what this module is for
    if _built is None:
        _built = asyncio.ensure_future(build(settings()))
    return await asyncio.shield(_built)
