"""The app behind a real HTTP server in this process: shipped edge, use cases and database, and fakes of what is beyond.

Requests reach the endpoints as the worker hands them over; nobody's calls are counted.
"""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import parse_qsl, unquote
from uuid import UUID

import azure.functions as func
import msgspec
import pytest
import uvicorn

from functions import (
    backlog,
    candles,
    documentation,
    doubts,
    funds,
    health,
    instruments,
    ledger,
    notifications,
    orders,
    portfolios,
    push,
    quotes,
    reconciliation,
    sagas,
    trades,
    watchlists,
    webhooks,
)
from functions.edge.edge import Endpoint
from functions.edge.fallback import answer_unknown
from shared.adapters.durable.finished_sagas import DurableFinishedSagas
from shared.adapters.durable.order_sagas import DurableOrderSagas
from shared.adapters.postgres.backlog import PostgresBacklog
from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.doubts import PostgresDoubts
from shared.adapters.postgres.funds import PostgresFunds
from shared.adapters.postgres.housekeeping import PostgresHousekeeping
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.postgres.missing_reports import PostgresLanePositions
from shared.adapters.postgres.notifications import PostgresStreams
from shared.adapters.postgres.order_sagas import PostgresSagaRecords
from shared.adapters.postgres.orders import PostgresOrderRecords
from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.postgres.portfolios import PostgresPortfolios
from shared.adapters.postgres.reconciliation import PostgresTradeDay
from shared.adapters.postgres.replies import PostgresReplies
from shared.adapters.postgres.sagas import PostgresSagas
from shared.adapters.postgres.trades import PostgresTrades
from shared.adapters.postgres.watchlists import PostgresWatchlists
from shared.adapters.postgres.webhooks import PostgresWebhooks
from shared.adapters.reference import ReferenceData, load_reference_data
from shared.adapters.webhooks.sender import AiohttpWebhookSender
from shared.application.health import Dependency, Health
from shared.application.orders.judge import Rules
from shared.application.timing import Timing
from shared.composition import Application, assemble
from shared.composition.market_data import wire_market_data
from shared.composition.market_reading import MarketReading, MarketReadingPorts, wire_market_reading
from shared.composition.notifying import NotifyingPorts, wire_notifying
from shared.composition.operations import OperationsPorts, wire_operations
from shared.composition.reading import ReadingPorts, wire_reading
from shared.composition.trading import TradingPorts, wire_trading
from shared.domain.errors import UnauthenticatedError
from shared.domain.webhooks import SigningKeys
from shared.ports.backlog import DeadLetter, QueueFigures
from shared.ports.identity import Actor
from shared.ports.market import Market
from shared.ports.rate_limits import RateLimit
from tests.fakes.candles import Live, history_of
from tests.fakes.dispatch_hints import MemoryDispatchHints
from tests.fakes.hubs import MemoryHubs, MemoryMemberships
from tests.fakes.market_data import a_market_data
from tests.fakes.outbox import RecordingAudience, RecordingExchange
from tests.fakes.portfolios import MemoryPortfolios
from tests.fakes.quotes import MemoryQuotes, a_quote
from tests.fakes.reconciliation import MemoryVenue
from tests.support.waiting import wait_until

_MODULES = (
    *(orders, portfolios, trades, funds, instruments, quotes, candles, watchlists, sagas, doubts, ledger),
    *(reconciliation, backlog, health, documentation, notifications, push, webhooks),
)
_PARAMETER = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True)
class Identity:
    """Knows its users by name."""

    actors: Mapping[str, Actor]

    async def verify(self, token: str) -> Actor:
        if token not in self.actors:
            raise UnauthenticatedError("The access token is not valid for this API")
        return self.actors[token]


class Limiter:
    """Counts nothing."""

    async def spend(self, user_id: UUID, route: str) -> RateLimit:
        return RateLimit(1000, 999, 60)

    async def refused(self, user_id: UUID) -> None:
        return


class Queues:
    """A bus at rest."""

    async def figures(self) -> Sequence[QueueFigures]:
        return [QueueFigures("execution-reports", 0, 0, None)]

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return []


@dataclass
class Wakeups:
    """Nobody is woken; whoever waits polls."""

    changes: Any = field(default_factory=AsyncMock)

    @asynccontextmanager
    async def watch(self, user_id: UUID) -> AsyncIterator[Any]:
        yield self.changes

    async def changed(self, user_ids: Collection[UUID]) -> None:
        return


async def compose(dsn: str, actors: Mapping[str, Actor]) -> Application:
    """The application on this database."""
    reference = load_reference_data()
    database = Database(dsn, most=4)
    await database.open()
    market = PostgresMarket(database, reference.markets["continuous"])
    books, limiter = PostgresBooks(database, reference.rate_cards), Limiter()
    market_reading = _market_reading(reference, market)
    trading = wire_trading(
        TradingPorts(
            books=books,
            orders=PostgresOrderRecords(database),
            sagas=PostgresSagaRecords(database),
            outbox=PostgresOutbox(database),
            exchange=RecordingExchange(),
            audience=RecordingAudience(),
            wakeups=Wakeups(),
            dispatch_hints=MemoryDispatchHints(),
            market=market,
            lanes=PostgresLanePositions(database),
            streams=PostgresStreams(database),
            venue=None,
        ),
        Rules(reference.instruments, reference.limits, reference.rate_cards),
        Timing(),
        limiter,
    )
    reading = wire_reading(
        ReadingPorts(
            portfolios=PostgresPortfolios(database),
            portfolio_cache=MemoryPortfolios(),
            streams=PostgresStreams(database),
            trades=PostgresTrades(database),
            funds=PostgresFunds(database),
            market=market,
            watchlists=PostgresWatchlists(database),
            replies=PostgresReplies(database),
        ),
        reference.instruments,
        market_reading.prices,
    )
    operations = wire_operations(
        OperationsPorts(
            books=books,
            sagas=PostgresSagas(database),
            doubts=PostgresDoubts(database),
            replies=PostgresReplies(database),
            ledger=PostgresLedger(database),
            trade_day=PostgresTradeDay(database),
            venue=MemoryVenue(),
            backlog=PostgresBacklog(database),
            queues=Queues(),
            housekeeping=PostgresHousekeeping(database),
            market=market,
        ),
        trading.publisher,
    )
    return assemble(
        trading,
        reading,
        market_reading,
        operations,
        wire_market_data(a_market_data(market), reference.shards),
        wire_notifying(
            NotifyingPorts(
                hubs=MemoryHubs(),
                memberships=MemoryMemberships({}),
                webhooks=PostgresWebhooks(database),
                webhook_sender=AiohttpWebhookSender(),
                webhook_keys=SigningKeys.parsed("a" * 43 + "="),
                plain_webhooks=True,
            ),
            reference.shards,
            market_reading.board,
        ),
        identity=Identity(actors),
        limiter=limiter,
        order_sagas=DurableOrderSagas,
        finished_sagas=DurableFinishedSagas,
        health=Health([Dependency("postgresql", required=True, probe=database.ping)]),
    )


class BusyQuotes(MemoryQuotes):
    """Every instrument ticks as soon as somebody waits: no call takes long."""

    @asynccontextmanager
    async def watch(self, shards: Collection[str]) -> AsyncIterator[Any]:
        async with super().watch(shards) as changes:
            self.write(*(msgspec.structs.replace(each, sequence=2**62) for each in self.stored.values()))
            yield changes


def _market_reading(reference: ReferenceData, market: Market) -> MarketReading:
    """Every instrument with a quote."""
    store = BusyQuotes(reference.shards)
    shards = reference.shards.shards
    store.write(*(a_quote(each) for shard in shards for each in reference.shards.instruments_of(shard)))
    ports = MarketReadingPorts(store, store, Live(), history_of(), market)
    return wire_market_reading(ports, reference.shards, reference.instruments, reference.adjustments, waiting_polls=50)


class Asgi:
    """Routes as the Functions host does."""

    def __init__(self) -> None:
        served = [each for module in _MODULES for each in vars(module).values() if isinstance(each, Endpoint)]
        self._endpoints = [(_compiled(each.route.path), each) for each in served]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            response = await self._serve(await _request(scope, receive))
            body = response.get_body()
            content_type = f"{response.mimetype}; charset=utf-8" if response.mimetype else ""
            headers = {"content-type": content_type, **response.headers, "content-length": str(len(body))}
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": response.status_code, "headers": raw})
            await send({"type": "http.response.body", "body": body})

    async def _serve(self, request: Callable[[Mapping[str, str]], func.HttpRequest]) -> func.HttpResponse:
        asked = request({})
        path = asked.url.partition("/api/")[2].partition("?")[0]
        for pattern, served in self._endpoints:
            found = pattern.fullmatch(path)
            if found and asked.method in served.route.methods:
                values = {name: unquote(value) for name, value in found.groupdict().items()}
                return await served(request(values), AsyncMock())
        return answer_unknown(request({"path": unquote(path)}))


def _compiled(path: str) -> re.Pattern[str]:
    return re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(path)), re.IGNORECASE)


async def _request(scope: Any, receive: Any) -> Callable[[Mapping[str, str]], func.HttpRequest]:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers: dict[str, str] = {}
    for name, value in ((name.decode(), value.decode("latin-1")) for name, value in scope["headers"]):
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    query = scope["query_string"].decode()
    params: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        params[name] = f"{params[name]},{value}" if name in params else value
    url = f"http://{headers.get('host', '')}{scope['raw_path'].decode()}?{query}"

    def made(route_params: Mapping[str, str]) -> func.HttpRequest:
        return func.HttpRequest(
            scope["method"], url, headers=headers, params=params, route_params=route_params, body=body
        )

    return made


@contextmanager
def serving(dsn: str, actors: Mapping[str, Actor]) -> Iterator[str]:
    """Serve on a port of this machine, from a thread with an event loop of its own; the address."""
    built: list[asyncio.Task[Application]] = []

    async def application() -> Application:
        if not built:
            built.append(asyncio.create_task(compose(dsn, actors)))
        return await built[0]

    server = uvicorn.Server(uvicorn.Config(Asgi(), port=0, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("functions.edge.edge.application", application)
        thread.start()
        wait_until(lambda: server.started, 10, what="the server")
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
