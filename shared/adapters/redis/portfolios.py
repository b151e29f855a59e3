"""Copies of portfolios in Redis: `portfolio:{user}:{sequence}:{date}`, MessagePack, gone after minutes."""

import asyncio
import random
from datetime import date
from typing import Any, Final

import msgspec
import structlog

from shared.adapters.redis.client import AWAY, PATIENCE_S, Breaker, Client
from shared.domain.lots import Standing
from shared.domain.orders.terms import Product
from shared.domain.portfolios import DayPosition, Holding
from shared.domain.positions import Turnover
from shared.ports.portfolios import PortfolioKey, PortfolioRecord

_KEEP_S: Final = 300
_JITTER_S: Final = 60
"""Copies that were made together, at the open, do not leave together."""

type _Holding = tuple[str, int, int, int, int, int, str]
"""The last is the cost in `COST_UNITS` of a paisa, which outgrows 64 bits."""
type _Position = tuple[str, str, int, int, int, int, int]
type _Stored = tuple[str, list[_Holding], list[_Position]]

_decoder: Final = msgspec.msgpack.Decoder[_Stored](_Stored)
_encode: Final = msgspec.msgpack.Encoder().encode
_log = structlog.get_logger(__name__)


class RedisPortfolioCache:
    """`PortfolioCache` on Redis."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._breaker = Breaker()

    async def get(self, key: PortfolioKey) -> PortfolioRecord | None:
        """See `PortfolioCache.get`."""
        if self._breaker.is_open:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                packed: Any = await self._redis.get(_name(key))
        except AWAY as error:
            self._without(error)
            return None
        try:
            return None if packed is None else _record(_decoder.decode(packed))
        except msgspec.DecodeError:
            return None  # another version of the app wrote it

    async def put(self, key: PortfolioKey, record: PortfolioRecord) -> None:
        """See `PortfolioCache.put`."""
        if self._breaker.is_open:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._redis.set(_name(key), _encode(_stored(record)), ex=_KEEP_S + random.randrange(_JITTER_S))  # noqa: S311
        except AWAY as error:
            self._without(error)

    def _without(self, error: BaseException) -> None:
        self._breaker.trip()
        _log.warning("Redis is unavailable; portfolios are read from the database", reason=type(error).__name__)


def _name(key: PortfolioKey) -> str:
    return f"portfolio:{{{key.user_id}}}:{key.sequence}:{key.trade_date}"


def _stored(record: PortfolioRecord) -> _Stored:
    return (
        record.trade_date.isoformat(),
        [_holding(each) for each in record.holdings],
        [_position(each) for each in record.positions],
    )


def _holding(holding: Holding) -> _Holding:
    bought, sold, cost = holding.standing
    return holding.security_id, holding.settled, holding.held, holding.unsettled, bought, sold, str(cost)


def _position(position: DayPosition) -> _Position:
    today = position.today
    sums = (today.buy_quantity, today.buy_value, today.sell_quantity, today.sell_value, today.charges)
    return (position.instrument_id, position.product.value, *sums)


def _record(stored: _Stored) -> PortfolioRecord:
    trade_date, holdings, positions = stored
    return PortfolioRecord(
        date.fromisoformat(trade_date),
        [
            Holding(security_id, settled, held, unsettled, Standing(bought, sold, int(cost)))
            for security_id, settled, held, unsettled, bought, sold, cost in holdings
        ],
        [DayPosition(instrument_id, Product(product), Turnover(*sums)) for instrument_id, product, *sums in positions],
    )
