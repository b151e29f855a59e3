"""`VenueRecords` and `VenueChanges` over HTTP: `GET /executions`, `GET /orders?live=true` and `GET /changes`.

What the venue answers is checked before it is compared; an answer that cannot be read counts as no answer.
"""

import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import aiohttp
import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.contracts.execution_reports import ExecType
from shared.domain.errors import UnavailableError
from shared.domain.money import parse_rupees
from shared.domain.orders.order import OrderKey
from shared.ports.missing_reports import ChangedOrders, IssuedReports
from shared.ports.reconciliation import Execution, LiveOrder, VenueOrder, VenueStatus

_log = structlog.get_logger(__name__)
_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=2)
_MOST_ORDERS = 1000
type Text = Annotated[str, Field(min_length=1, max_length=64)]


def _paise(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("a price is a decimal string")  # noqa: TRY004 - pydantic turns ValueError into its own
    return parse_rupees(value)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Execution(_Answer):
    exec_id: Text
    order_id: Text
    last_quantity: int
    last_price: Annotated[int, BeforeValidator(_paise)]


class _Executions(_Answer):
    executions: list[_Execution]
    next_after: int | None


class _Order(_Answer):
    order_id: Text
    quantity: int
    cum_quantity: int


class _Orders(_Answer):
    orders: list[_Order]
    next_after: Text | None = None


class _Change(_Answer):
    order_id: Text
    account: Text
    last_sequence: Annotated[int, Field(ge=1)]


class _Changes(_Answer):
    positions: dict[str, int]
    orders: list[_Change]
    more: bool


class _OrderStatus(_Answer):
    order_status: Text
    cum_quantity: int


class _Report(_Answer):
    exec_type: Text


class _OneOrder(_Answer):
    order: _OrderStatus | None
    reports: list[_Report]


class HttpVenueRecords:
    """Reads the venue at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def executions(self, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        """See `VenueRecords.executions`."""
        after: int | None = 0
        while after is not None:
            query = {"trade_date": trade_date.isoformat(), "after": str(after)}
            page = await self._get("/executions", query, _Executions)
            if page.executions:
                yield [_execution(each) for each in page.executions]
            after = page.next_after

    async def live_orders(self) -> AsyncIterator[Sequence[LiveOrder]]:
        """See `VenueRecords.live_orders`."""
        after: str | None = ""
        while after is not None:
            query = {"live": "true", "after": after, "limit": str(_MOST_ORDERS)}
            page = await self._get("/orders", query, _Orders)
            yield [LiveOrder(each.order_id, each.quantity, each.cum_quantity) for each in page.orders]
            after = page.next_after

    async def changes(self, positions: Mapping[str, int], settled: timedelta) -> ChangedOrders:
        """See `VenueChanges.changes`."""
        after = ",".join(f"{lane}:{position}" for lane, position in positions.items())
        query = {"after": after, "settled_s": str(math.ceil(settled.total_seconds()))}
        page = await self._get("/changes", query, _Changes)
        if any(page.positions.get(lane, -1) < position for lane, position in positions.items()):
            raise UnavailableError("The venue's records end before a position that they gave", retry_after_s=5)
        reached = {lane: page.positions[lane] for lane in positions}
        return ChangedOrders(reached, list(_issued(page.orders)), page.more)

    async def order(self, order_id: UUID) -> VenueOrder | None:
        """See `VenueRecords.order`."""
        found = await self._get(f"/orders/{order_id}", {}, _OneOrder, unknown=_OneOrder(order=None, reports=[]))
        if found.order is not None:
            return VenueOrder(found.order.order_status, found.order.cum_quantity)
        # An order that the venue refused is in none of its books: its reports say so.
        is_refused = any(each.exec_type == ExecType.REJECTED for each in found.reports)
        return VenueOrder(VenueStatus.REJECTED, 0) if is_refused else None

    async def _get[Answer: _Answer](
        self, path: str, query: dict[str, str], model: type[Answer], unknown: Answer | None = None
    ) -> Answer:
        try:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
                return model.model_validate(await _json(session, self._url + path, query))
        except aiohttp.ClientResponseError as error:
            if unknown is not None and error.status == HTTPStatus.NOT_FOUND:
                return unknown
            raise _away() from error
        except (aiohttp.ClientError, TimeoutError, ValidationError, ValueError) as error:
            raise _away() from error


def _away() -> UnavailableError:
    return UnavailableError("The venue does not answer: its records cannot be read now", retry_after_s=5)


async def _json(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> Any:
    async with session.get(url, params=query, raise_for_status=True) as answer:
        return await answer.json()


def _issued(orders: Sequence[_Change]) -> Iterator[IssuedReports]:
    for each in orders:
        try:
            key = OrderKey(UUID(each.account), UUID(each.order_id))
        except ValueError:
            _log.warning("the venue lists an order that cannot be ours", order_id=each.order_id, account=each.account)
        else:
            yield IssuedReports(key, each.last_sequence)


def _execution(each: _Execution) -> Execution:
    return Execution(each.exec_id, each.order_id, each.last_quantity, each.last_price)
