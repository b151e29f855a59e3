"""The admin API on loopback: read the venue's records, set its clock, end its session, switch faults on.

    GET  /status                               what it is doing
    GET  /orders?live=true&after=&limit=       live orders, oldest first, paged by `next_after`; all without a limit
    GET  /orders/{order_id}                    one order, live or ended, with all its reports
    GET  /executions?trade_date=&after=&limit= TRADE reports of a date, paged by `next_after`
    GET  /changes?after=00:0,07:0&settled_s=&limit=  newest report numbers of the orders that changed, by lane
    GET  /books/{instrument_id}?levels=5       best levels, last and reference price
    GET  /clock, PUT /clock                    {"offset_s": number} or {"market_time": RFC 3339}
    POST /end-of-day                           end the session of the trade date; it stays closed
    GET  /faults, POST /faults                 see faults; a POST replaces all settings

Orders and reports read as in docs/reference/exchange-messages.md; a refused call answers 400 or 404.
"""

from contextlib import asynccontextmanager
from datetime import date, timedelta
from itertools import islice
from typing import Any

from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.exchange import changes, sql
from simulators.exchange.faults import FaultSettings
from simulators.exchange.feed_api import FeedApi
from simulators.exchange.gateway import Gateway
from simulators.exchange.orders import TOMBSTONE, ClientOrder
from simulators.exchange.parameters import whole_number
from simulators.exchange.reports import instant, rupees
from simulators.exchange.sessions import trade_date
from simulators.exchange.store import Archive

_MAX_PAGE = 1000
_MAX_LEVELS = 50
_WAIT_S = 5.0
_MAX_SETTLED_S = 3600
_LARGEST_OFFSET = timedelta(days=3650)
_LARGEST_OFFSET_S = _LARGEST_OFFSET.total_seconds()


class _ClockSetting(BaseModel):
    model_config = ConfigDict(extra="forbid")
    offset_s: float | None = Field(
        default=None, ge=-_LARGEST_OFFSET.total_seconds(), le=_LARGEST_OFFSET.total_seconds()
    )
    market_time: AwareDatetime | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "_ClockSetting":
        if (self.offset_s is None) == (self.market_time is None):
            raise ValueError("give either offset_s or market_time")
        return self


class AdminApi:
    """Handlers over a gateway, and a pool of their own for what is archived."""

    def __init__(self, gateway: Gateway, dsn: str) -> None:
        self._gateway = gateway
        self._pool = AsyncConnectionPool(
            dsn, min_size=0, max_size=2, open=False, kwargs={"autocommit": True}, timeout=_WAIT_S
        )

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/status", self.status),
            Route("/orders", self.orders),
            Route("/orders/{order_id:uuid}", self.order),
            Route("/executions", self.executions),
            Route("/changes", self.changes),
            Route("/books/{instrument_id}", self.book),
            Route("/clock", self.clock),
            Route("/clock", self.set_clock, methods=["PUT"]),
            Route("/end-of-day", self.end_of_day, methods=["POST"]),
            Route("/faults", self.faults),
            Route("/faults", self.set_faults, methods=["POST"]),
            *FeedApi(self._gateway, self._pool).routes(),
        ]

        @asynccontextmanager
        async def lifespan(_: Starlette) -> Any:
            async with self._pool:
                yield

        return Starlette(routes=routes, lifespan=lifespan, exception_handlers=_ANSWERS)

    async def status(self, _: Request) -> Response:
        """Positions, backlog, session and faults."""
        gateway, venue = self._gateway, self._gateway.venue
        async with self._archive() as archive:
            parked = await archive.parked()
        return JSONResponse(
            {
                "ready": gateway.ready.is_set(),
                "position": venue.position,
                "sent_position": gateway.outbox.taken,
                "backlog": gateway.outbox.backlog,
                "live_orders": len(venue.live),
                "parked": parked,
                "calendar": gateway.market.calendar.calendar,
                "feed": {"epoch": gateway.feed.epoch, "watched": gateway.feed.watched},
                "makers": gateway.market.makers is not None,
                "clock": self._clock(),
                "faults": gateway.faults.settings.model_dump(),
            }
        )

    async def orders(self, request: Request) -> Response:
        """A page of the live orders in order of acceptance; ended orders are read one by one."""
        query = request.query_params
        if query.get("live") != "true":
            raise HTTPException(400, "only live orders are listed: live=true")
        after, limit = query.get("after", ""), whole_number(request, "limit", len(self._gateway.venue.live))
        found = (order for order in self._gateway.venue.live.values() if order.exchange_order_id > after)
        page = [_order(order) for order in islice(found, limit)]
        more = bool(page) and next(found, None) is not None
        return JSONResponse({"orders": page, "next_after": page[-1]["exchange_order_id"] if more else None})

    async def order(self, request: Request) -> Response:
        """One order and its reports."""
        order_id = str(request.path_params["order_id"])
        async with self._archive() as archive:
            order = self._gateway.venue.live.get(order_id) or await archive.closed_order(order_id)
            reports = await archive.reports_of(order_id)
        if order is None and not reports:
            raise HTTPException(404, "the venue does not know this order")
        return JSONResponse({"order": _order(order) if order else None, "reports": reports})

    async def executions(self, request: Request) -> Response:
        """A page of a trade date's trades."""
        day = self._trade_date(request)
        after, limit = whole_number(request, "after", 0), whole_number(request, "limit", _MAX_PAGE)
        async with self._archive() as archive:
            page = await archive.executions(day.isoformat(), after, min(limit, _MAX_PAGE))
        reports = [report for _, report in page]
        return JSONResponse({"executions": reports, "next_after": page[-1][0] if page else None})

    async def changes(self, request: Request) -> Response:
        """Orders of the given lanes that have a new report since the lanes' positions."""
        try:
            positions = changes.parse_positions(request.query_params.get("after", ""))
        except ValueError as error:
            raise HTTPException(400, f"after: {error}") from error
        settled_s = min(whole_number(request, "settled_s", 0), _MAX_SETTLED_S)
        limit = max(1, min(whole_number(request, "limit", _MAX_PAGE), _MAX_PAGE))
        settled = self._gateway.market.clock.real() - timedelta(seconds=settled_s)
        async with self._archive() as archive:
            page = await archive.numbered(min(positions.values()), settled, limit)
        return JSONResponse(changes.answer(positions, page, more=len(page) == limit))

    async def book(self, request: Request) -> Response:
        """Depth and prices of an instrument."""
        instrument_id = request.path_params["instrument_id"]
        market, venue = self._gateway.market, self._gateway.venue
        instrument = market.master.find(instrument_id, trade_date(market.clock.market()))
        if instrument is None:
            raise HTTPException(404, "the venue does not list this instrument")
        book = venue.books.get(instrument_id)
        levels = min(whole_number(request, "levels", 5), _MAX_LEVELS)
        bids, asks = book.depth(levels) if book else ([], [])
        reference = market.makers.reference(instrument) if market.makers else instrument.reference
        last = book.last_price if book else None
        return JSONResponse(
            {
                "instrument_id": instrument_id,
                "reference_price": rupees(reference),
                "last_price": None if last is None else rupees(last),
                "bids": _levels(bids),
                "asks": _levels(asks),
            }
        )

    async def clock(self, _: Request) -> Response:
        """Both clocks and the session."""
        return JSONResponse(self._clock())

    async def set_clock(self, request: Request) -> Response:
        """Set the market clock; returns once what the new time implies has been done."""
        setting = _ClockSetting.model_validate_json(await request.body())
        clock = self._gateway.market.clock
        offset = timedelta(seconds=setting.offset_s or 0)
        if setting.market_time is not None:
            offset = setting.market_time - clock.real()
        self._refuse_undated(offset)
        await self._persist("clock_offset_us", offset // timedelta(microseconds=1))
        clock.offset = offset
        await self._gateway.settle()
        return JSONResponse(self._clock())

    async def end_of_day(self, _: Request) -> Response:
        """End the trade date's session; returns once every DAY order has expired."""
        day = trade_date(self._gateway.market.clock.market())
        await self._persist("ended_day", day.toordinal())
        self._gateway.ended_day = day.toordinal()
        await self._gateway.settle()
        return JSONResponse(self._clock())

    async def faults(self, _: Request) -> Response:
        """The fault settings."""
        return JSONResponse(self._gateway.faults.settings.model_dump())

    async def set_faults(self, request: Request) -> Response:
        """Replace the fault settings."""
        settings = FaultSettings.model_validate_json(await request.body())
        self._gateway.faults.set(settings)
        self._gateway.inbox.pause(settings.deaf)
        return JSONResponse(settings.model_dump())

    def _refuse_undated(self, offset: timedelta) -> None:
        """Refuse an offset that leads out of the calendar's dates; none at all is always allowed.

        Raises HTTPException.
        """
        if not offset:
            return
        if abs(offset) > _LARGEST_OFFSET:
            raise HTTPException(400, f"the market time must be within {_LARGEST_OFFSET.days} days of the real time")
        market = self._gateway.market
        day = trade_date(market.clock.real() + offset)
        if not market.calendar.covers(day):
            raise HTTPException(400, f"the calendar {market.calendar.calendar} has no rules for {day}")

    def _clock(self) -> dict[str, Any]:
        gateway = self._gateway
        clock, session = gateway.market.clock, gateway.session()
        next_open = gateway.market.calendar.next_open(clock.market())
        return {
            "real_time": instant(clock.real()),
            "market_time": instant(clock.market()),
            "offset_s": clock.offset.total_seconds(),
            "trade_date": trade_date(clock.market()).isoformat(),
            "open": session is not None,
            "closes_at": instant(session.closes) if session else None,
            "opens_at": None if session or not next_open else instant(next_open),
        }

    async def _persist(self, name: str, value: int) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(sql.SET_MARKER, (value, name))

    @asynccontextmanager
    async def _archive(self) -> Any:
        async with self._pool.connection() as connection:
            yield Archive(connection)

    def _trade_date(self, request: Request) -> date:
        text = request.query_params.get("trade_date")
        if text is None:
            return trade_date(self._gateway.market.clock.market())
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise HTTPException(400, "trade_date must be YYYY-MM-DD") from error


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    return JSONResponse({"errors": error.errors(include_url=False, include_context=False)}, 400)


async def _away(_: Request, error: Exception) -> Response:
    return JSONResponse({"errors": [f"the venue's database cannot be reached: {type(error).__name__}"]}, 503, _RETRY)


_RETRY = {"Retry-After": "2"}
_ANSWERS: dict[Any, Any] = {ValidationError: _invalid, OperationalError: _away, PoolTimeout: _away}


def _order(order: ClientOrder) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "request_id": order.request_id,
        "exchange_order_id": order.exchange_order_id,
        "instrument_id": order.instrument_id,
        "account": order.account,
        "side": order.side if order.status != TOMBSTONE else None,
        "order_status": order.status,
        "quantity": order.quantity,
        "price": rupees(order.price),
        "cum_quantity": order.cum,
        "leaves_quantity": order.leaves,
        "report_sequence": order.sequence,
    }


def _levels(depth: list[tuple[int, int]]) -> list[dict[str, Any]]:
    return [{"price": rupees(price), "quantity": quantity} for price, quantity in depth]
