"""`VenueRecords` over HTTP: `GET /executions?trade_date=&after=` and `GET /orders?live=true&after=&limit=`.

What the venue answers is checked before it is compared; an answer that cannot be read counts as no answer.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Annotated, Any

import aiohttp
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.domain.errors import UnavailableError
from shared.domain.money import parse_rupees
from shared.ports.reconciliation import Execution, LiveOrder

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

    async def _get[Answer: _Answer](self, path: str, query: dict[str, str], model: type[Answer]) -> Answer:
        try:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
                return model.model_validate(await _json(session, self._url + path, query))
        except (aiohttp.ClientError, TimeoutError, ValidationError, ValueError) as error:
            raise UnavailableError(
                "The venue does not answer: its records cannot be read now", retry_after_s=5
            ) from error


async def _json(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> Any:
    async with session.get(url, params=query, raise_for_status=True) as answer:
        return await answer.json()


def _execution(each: _Execution) -> Execution:
    return Execution(each.exec_id, each.order_id, each.last_quantity, each.last_price)
