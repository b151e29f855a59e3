"""Market data over HTTP: the stream that the market feed reads, and trades once more (docs/reference/market-feed.md).

    POST /feed/stream                              begin the next epoch; a JSON line for each round of the venue's work
    GET  /feed/{instrument_id}/trades?epoch=&after=&limit=  trades of an epoch (the current one) after a sequence
    GET  /feed/{instrument_id}/minutes/{minute}    all trades of a minute; `epoch` and `after` continue a long answer
    POST /feed/late-trades                         report a trade outside the book late

A late trade is {"instrument_id", "price", "quantity", "minutes_ago"}; a refused call answers 400, 404 or 410.
"""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from simulators.exchange.commands import LateTrade
from simulators.exchange.gateway import Gateway
from simulators.exchange.parameters import whole_number
from simulators.exchange.sessions import trade_date
from simulators.exchange.store import Archive
from simulators.market_feed.frames import MINUTE_US, Resend, Trade

_MAX_TRADES = 1_000
_MAX_OF_MINUTE = 10_000
_LAST_MINUTE = 2**53
_MICROSECOND = timedelta(microseconds=1)


class _LateTrade(BaseModel):
    model_config = ConfigDict(extra="forbid")
    instrument_id: str
    price: Decimal = Field(gt=0, lt=10**10, decimal_places=2)
    quantity: int = Field(gt=0)
    minutes_ago: int = Field(ge=1, le=60)


class FeedApi:
    """Handlers over a gateway and the admin API's pool."""

    def __init__(self, gateway: Gateway, pool: AsyncConnectionPool) -> None:
        self._gateway = gateway
        self._pool = pool

    def routes(self) -> list[Route]:
        """What the admin API serves of it."""
        return [
            Route("/feed/stream", self.stream, methods=["POST"]),
            Route("/feed/late-trades", self.late_trade, methods=["POST"]),
            Route("/feed/{instrument_id}/trades", self.trades),
            Route("/feed/{instrument_id}/minutes/{minute:int}", self.minute),
        ]

    async def stream(self, _: Request) -> Response:
        """All updates of the next epoch, until another reader begins the one after it."""
        feed, gateway = self._gateway.feed, self._gateway
        subscription = feed.subscribe()
        gateway.inbox.wake()

        async def lines() -> Any:
            try:
                async with aclosing(subscription.lines(lambda: feed.alive(gateway.venue.tapes))) as updates:
                    async for line in updates:
                        yield line
            finally:
                subscription.close()

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def trades(self, request: Request) -> Response:
        """A page of an epoch's trades."""
        name, feed = self._instrument(request), self._gateway.feed
        epoch, after = whole_number(request, "epoch", feed.epoch), whole_number(request, "after", 0)
        limit = max(1, min(whole_number(request, "limit", _MAX_TRADES), _MAX_TRADES))
        if epoch > feed.epoch:
            raise HTTPException(404, f"the current epoch is {feed.epoch}")
        current, through = feed.epoch, feed.sequences.get(name, 0)
        async with self._pool.connection() as connection:
            archive = Archive(connection)
            # The trades first: what retention deletes in between is noted by then.
            page = await archive.trades_after(name, epoch, after, limit)
            if await archive.forgot_after(name, epoch, after):
                raise HTTPException(410, f"trades after {after} of epoch {epoch} are no longer kept")
        return _resend(page, current, through, limit)

    async def minute(self, request: Request) -> Response:
        """The trades of one minute, of all epochs and phases."""
        name, feed = self._instrument(request), self._gateway.feed
        minute = int(request.path_params["minute"])
        if minute % MINUTE_US or minute > _LAST_MINUTE:
            raise HTTPException(400, "minute must be the start of a minute, in microseconds since 1970 UTC")
        cursor = whole_number(request, "epoch", 0), whole_number(request, "after", 0)
        current, through = feed.epoch, feed.sequences.get(name, 0)
        async with self._pool.connection() as connection:
            archive = Archive(connection)
            page = await archive.trades_of_minute(name, minute, cursor, _MAX_OF_MINUTE)
            if await archive.forgot_minute(name, minute):
                raise HTTPException(410, f"trades of minute {minute} are no longer kept")
        return _resend(page, current, through, _MAX_OF_MINUTE)

    async def late_trade(self, request: Request) -> Response:
        """Report a trade of an earlier minute of the open session; returns once it is journaled."""
        wanted = _LateTrade.model_validate_json(await request.body())
        gateway = self._gateway
        now, session = gateway.market.clock.market(), gateway.session()
        at = now - timedelta(minutes=wanted.minutes_ago)
        if session is None or at < session.opens:
            raise HTTPException(400, "no session was open at that time")
        instrument = gateway.market.master.find(wanted.instrument_id, trade_date(now))
        if instrument is None:
            raise HTTPException(404, "the venue does not list this instrument")
        price = int(wanted.price * 100)
        if refusal := instrument.refuse(price, wanted.quantity):
            raise HTTPException(400, refusal[1])
        traded_at = (at - datetime.fromtimestamp(0, UTC)) // _MICROSECOND
        gateway.feed.late_trades.append(LateTrade(wanted.instrument_id, price, wanted.quantity, traded_at))
        await gateway.settle()
        return JSONResponse({"traded_at": traded_at})

    def _instrument(self, request: Request) -> str:
        name = str(request.path_params["instrument_id"])
        market = self._gateway.market
        listed = market.master.find(name, trade_date(market.clock.market())) is not None
        if not listed and name not in self._gateway.feed.sequences:
            raise HTTPException(404, "the venue does not list this instrument")
        return name


def _resend(page: list[Trade], epoch: int, through: int, limit: int) -> Response:
    """What is in the archive by now and newer than `through` is left out: the reader gets it by the feed."""
    trades = [trade for trade in page if (trade.epoch, trade.sequence) <= (epoch, through)]
    last = trades[-1] if len(trades) == limit else None
    answer = Resend(trades, epoch, through, last.sequence if last else None, last.epoch if last else None)
    return Response(msgspec.json.encode(answer), media_type="application/json")
