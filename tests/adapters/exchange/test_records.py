"""The venue's records over HTTP: pages, and answers that can't be read."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.exchange.records import HttpVenueRecords
from shared.domain.errors import UnavailableError
from shared.domain.orders.order import OrderKey
from shared.ports.missing_reports import ChangedOrders, IssuedReports
from shared.ports.reconciliation import Execution, LiveOrder, VenueOrder

_SPACE = UUID("5f0f5f3e-0d7c-5c3f-8f7e-3a5b0f7a9a10")
_DAY = date(2026, 11, 20)
_ORDER = UUID("01935d3a-0000-7000-8000-000000000001")
type Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def _venue(
    executions: Handler | None = None, orders: Handler | None = None, changes: Handler | None = None
) -> AsyncIterator[HttpVenueRecords]:
    app = web.Application()
    handlers = {"/executions": executions, "/orders": orders, "/orders/{order_id}": orders, "/changes": changes}
    app.add_routes([web.get(path, handler) for path, handler in handlers.items() if handler])
    async with TestServer(app) as server:
        yield HttpVenueRecords(str(server.make_url("/")))


def _answering(body: Any, status: int = 200) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    return answer


async def _two_pages(request: web.Request) -> web.Response:
    assert request.query["trade_date"] == "2026-11-20"
    after = int(request.query["after"])
    found = [{"exec_id": f"E{after}", "order_id": "o", "last_quantity": 2, "last_price": "10.05", "side": "BUY"}]
    return web.json_response({"executions": found if after < 2 else [], "next_after": after + 1 if after < 2 else None})


async def _two_pages_of_orders(request: web.Request) -> web.Response:
    assert (request.query["live"], request.query["limit"]) == ("true", "1000")
    order = {"order_id": f"o{request.query['after']}", "quantity": 5, "cum_quantity": 2}
    return web.json_response({"orders": [order], "next_after": None if request.query["after"] else "1"})


async def test_every_page_is_read() -> None:
    async with _venue(_two_pages, _two_pages_of_orders) as venue:
        executions = [each async for page in venue.executions(_DAY) for each in page]
        live = [each async for page in venue.live_orders() for each in page]
    assert executions == [Execution("E0", "o", 2, 1005), Execution("E1", "o", 2, 1005)]
    assert live == [LiveOrder("o", 5, 2), LiveOrder("o1", 5, 2)]


@pytest.mark.parametrize(
    "answer",
    [
        _answering({"error": "no"}, status=500),
        _answering({"unexpected": []}),
        _answering({"executions": [{"exec_id": "E"}], "next_after": None}),
        _answering(
            {
                "executions": [{"exec_id": "E", "order_id": "o", "last_quantity": 1, "last_price": "1e9"}],
                "next_after": None,
            }
        ),
    ],
)
async def test_unreadable_answer_is_no_answer(answer: Handler) -> None:
    async with _venue(answer, answer) as venue:
        with pytest.raises(UnavailableError):
            _ = [page async for page in venue.executions(_DAY)]


async def test_changed_orders_come_with_their_lanes_positions() -> None:
    async def changes(request: web.Request) -> web.Response:
        assert dict(request.query) == {"after": "00:0,10:7", "settled_s": "8"}
        ours, strange = f"{uuid5(_SPACE, 'user')}", "C0815"
        orders = [
            {"lane": "10", "account": account, "order_id": f"{uuid5(_SPACE, account)}", "last_sequence": 3}
            for account in (strange, ours)
        ]
        return web.json_response({"positions": {"00": 9, "10": 9, "11": 9}, "orders": orders, "more": True})

    user_id = uuid5(_SPACE, "user")
    async with _venue(changes=changes) as venue:
        found = await venue.changes({"00": 0, "10": 7}, timedelta(seconds=7.5))
    issued = IssuedReports(OrderKey(user_id, uuid5(_SPACE, f"{user_id}")), 3)
    assert found == ChangedOrders({"00": 9, "10": 9}, [issued], more=True)


@pytest.mark.parametrize(
    "positions", [{"00": 0, "10": 6}, {"00": 0}], ids=["a position moved back", "a lane is missing"]
)
async def test_positions_that_cannot_be_are_no_answer(positions: dict[str, int]) -> None:
    answer = _answering({"positions": positions, "orders": [], "more": False})
    async with _venue(changes=answer) as venue:
        with pytest.raises(UnavailableError):
            await venue.changes({"00": 0, "10": 7}, timedelta())


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        (_answering({"order": {"order_status": "NEW", "cum_quantity": 0}, "reports": []}), VenueOrder("NEW", 0)),
        (_answering({"order": None, "reports": [{"exec_type": "REJECTED"}]}), VenueOrder("REJECTED", 0)),
        (_answering({"order": None, "reports": [{"exec_type": "ORDER_STATUS"}]}), None),
        (_answering({"error": "the venue does not know this order"}, status=404), None),
    ],
)
async def test_one_order_is_known_refused_or_unknown(answer: Handler, order: VenueOrder | None) -> None:
    async with _venue(answer, answer) as venue:
        assert await venue.order(_ORDER) == order


@pytest.mark.parametrize("answer", [_answering({}, status=500), _answering({"order": {}})])
async def test_unreadable_order_is_not_taken_for_unknown(answer: Handler) -> None:
    async with _venue(answer, answer) as venue:
        with pytest.raises(UnavailableError):
            await venue.order(_ORDER)
