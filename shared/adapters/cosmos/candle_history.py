"""`CandleHistory` in Cosmos DB: one document an instrument and hour, in the partition of the instrument.

    {"id": "2026-11-27T04", "instrument_id": "NSE:INFY", "ttl": 34560000, "candles": [
        {"start": 1795752900000000, "session": "CONTINUOUS", "open": "1512.35", ..., "basis": "WINDOWS"}]}

The id is the hour in UTC, so ids are in order of time and a range of them is read by the primary index; nothing else
needs one. Money is a string of rupees, because numbers of documents are doubles. A document is gone after `KEPT`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Final

import msgspec
from azure.core import MatchConditions

from shared.adapters.cosmos.container import CosmosContainer, StatusError
from shared.domain.errors import UnavailableError
from shared.domain.market_data.candles import Basis, Candle, Session
from shared.domain.money import format_rupees
from shared.ports.candles import CandleHour

KEPT: Final = timedelta(days=400)
"""A chart of one year, and a month to compare it with. At 18.75 million candles a trading day this is about 1 TB."""
_QUERY: Final = "SELECT * FROM c WHERE c.id BETWEEN @first AND @last"
_QUERY_WAIT_S: Final = 5.0
_MICROSECONDS: Final = 1_000_000


class _StoredCandle(msgspec.Struct, frozen=True):
    start: int
    session: Session
    open: str
    high: str
    low: str
    close: str
    volume: int
    turnover: str
    trades: int
    epoch: int
    sequence: int
    basis: str


class _StoredHour(msgspec.Struct, frozen=True):
    id: str
    instrument_id: str
    candles: list[_StoredCandle]
    etag: str = msgspec.field(name="_etag")


class CosmosCandleHistory:
    """The documents of one container, partitioned by `/instrument_id`."""

    def __init__(self, container: CosmosContainer) -> None:
        self._container = container

    async def hours(self, instrument_id: str, first: int, last: int) -> Sequence[CandleHour]:
        """See `CandleHistory.hours`. A single hour is a point read, the cheapest there is."""
        if first == last:
            found = await self._hour(instrument_id, _id(first))
            return [] if found is None else [_read(found)]
        parameters = [{"name": "@first", "value": _id(first)}, {"name": "@last", "value": _id(last)}]

        async def query(container: Any) -> list[Any]:
            rows = container.query_items(_QUERY, parameters=parameters, partition_key=instrument_id)
            return [row async for row in rows]

        documents = await self._container.call(query, wait_s=_QUERY_WAIT_S)
        return sorted(map(_read, documents), key=lambda each: each.hour)

    async def put(self, hour: CandleHour) -> bool:
        """See `CandleHistory.put`."""
        document = _written(hour)
        condition = {"etag": hour.etag, "match_condition": MatchConditions.IfNotModified}

        async def write(container: Any) -> None:
            if hour.etag is None:
                await container.create_item(document, no_response=True)
            else:
                await container.replace_item(document["id"], document, no_response=True, **condition)

        try:
            await self._container.call(
                write, answers=(HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND)
            )
        except StatusError:
            return False
        return True

    async def _hour(self, instrument_id: str, document_id: str) -> Mapping[str, Any] | None:
        async def read(container: Any) -> Mapping[str, Any]:
            found: Mapping[str, Any] = await container.read_item(document_id, instrument_id)
            return found

        try:
            return await self._container.call(read, answers=(HTTPStatus.NOT_FOUND,))
        except StatusError:
            return None


def _id(hour: int) -> str:
    return datetime.fromtimestamp(hour // _MICROSECONDS, UTC).strftime("%Y-%m-%dT%H")


def _written(hour: CandleHour) -> dict[str, Any]:
    return {
        "id": _id(hour.hour),
        "instrument_id": hour.instrument_id,
        "ttl": KEPT // timedelta(seconds=1),
        "candles": [msgspec.to_builtins(_stored(candle)) for candle in hour.candles],
    }


def _read(document: Mapping[str, Any]) -> CandleHour:
    """Raises UnavailableError for a document that somebody else has damaged."""
    try:
        found = msgspec.convert(dict(document), _StoredHour)
        moment = datetime.strptime(found.id, "%Y-%m-%dT%H").replace(tzinfo=UTC)
        candles = tuple(map(_candle, found.candles))
    except (msgspec.ValidationError, InvalidOperation, KeyError, ValueError) as error:
        raise UnavailableError(f"The candles of {document.get('id')} cannot be read", retry_after_s=60) from error
    return CandleHour(found.instrument_id, int(moment.timestamp()) * _MICROSECONDS, candles, found.etag)


def _stored(candle: Candle) -> _StoredCandle:
    return _StoredCandle(
        start=candle.start,
        session=candle.session,
        open=format_rupees(candle.open),
        high=format_rupees(candle.high),
        low=format_rupees(candle.low),
        close=format_rupees(candle.close),
        volume=candle.volume,
        turnover=format_rupees(candle.turnover),
        trades=candle.trades,
        epoch=candle.epoch,
        sequence=candle.sequence,
        basis=candle.basis.name,
    )


def _candle(stored: _StoredCandle) -> Candle:
    return Candle(
        start=stored.start,
        session=stored.session,
        open=_paise(stored.open),
        high=_paise(stored.high),
        low=_paise(stored.low),
        close=_paise(stored.close),
        volume=stored.volume,
        turnover=_paise(stored.turnover),
        trades=stored.trades,
        epoch=stored.epoch,
        sequence=stored.sequence,
        basis=Basis[stored.basis],
    )


def _paise(rupees: str) -> int:
    """A day's turnover has more digits than any amount that a client may name. Raises InvalidOperation, ValueError."""
    paise = Decimal(rupees) * 100
    if paise != int(paise):
        raise ValueError(f"{rupees} is no amount of whole paise")
    return int(paise)
