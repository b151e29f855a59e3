"""Candles over HTTP: open, high, low, close, volume and turnover of an interval of exchange time.

Answers are written from bars (`write_candles`), because one may hold thousands; the views say what is in them.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from shared.contracts.common import Instant, Query, Rupees, View
from shared.domain.market_data.candles import Bar, Session
from shared.domain.times import wire_microseconds

_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


class Interval(StrEnum):
    """Length of a candle. Intervals below a day are counted from the session's open."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M10 = "10m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    D1 = "1d"


MINUTES: Final[Mapping[Interval, int]] = {
    Interval.M1: 1,
    Interval.M3: 3,
    Interval.M5: 5,
    Interval.M10: 10,
    Interval.M15: 15,
    Interval.M30: 30,
    Interval.H1: 60,
}
MOST_DAYS: Final[Mapping[Interval, int]] = {
    Interval.M1: 7,
    Interval.M3: 15,
    Interval.M5: 30,
    Interval.M10: 60,
    Interval.M15: 60,
    Interval.M30: 120,
    Interval.H1: 120,
    Interval.D1: 366,
}
"""The longest range that one call answers."""


def _instant(value: object) -> object:
    if isinstance(value, str) and not _INSTANT.fullmatch(value):
        raise ValueError("write an instant as in RFC 3339, 2026-11-23T03:45:00Z; + in an address is %2B")
    return value


def _yes_or_no(value: object) -> object:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("write true or false")
    return value


type QueryInstant = Annotated[AwareDatetime, BeforeValidator(_instant)]
type Flag = Annotated[bool, BeforeValidator(_yes_or_no)]


class CandlesQuery(Query):
    """Candles whose start lies in [from, to)."""

    interval: Interval = Interval.M1
    from_: Annotated[
        QueryInstant | None, Field(alias="from", description="Exchange time; the beginning of `to`'s day if not given")
    ] = None
    to: Annotated[QueryInstant | None, Field(description="Exchange time, excluded; now if not given")] = None
    adjusted: Annotated[Flag, Field(description="Whether prices before a split or bonus are made comparable")] = True
    fill: Annotated[
        Literal["none", "previous"],
        Field(description="previous: an interval without a trade gets a candle at the close before it"),
    ] = "none"


class CandleView(View):
    """One candle."""

    start: Instant
    open: Rupees
    high: Rupees
    low: Rupees
    close: Rupees
    volume: int
    turnover: Rupees
    trades: int
    complete: Annotated[bool, Field(description="false: trades may be missing until the exchange has resent them")]


class AuctionView(CandleView):
    """The trades of one minute of an auction, which belong to no candle below a day."""

    session: Literal["PRE_OPEN", "CLOSING_AUCTION"]


class CandlesView(View):
    """Candles in order of time. Volumes of `items` and `auctions` of a day add up to the day's volume."""

    instrument_id: str
    interval: Interval
    adjusted: bool
    items: list[CandleView]
    auctions: list[AuctionView]
    stale: Annotated[bool, Field(description="The newest candles cannot be read now: they may be missing")]


def clamped(instant: datetime) -> datetime:
    """In UTC, inside of what calendars and microseconds can hold."""
    return max(_EARLIEST, min(_LATEST, instant)).astimezone(UTC)


def write_candles(
    query: CandlesQuery,
    instrument_id: str,
    bars: Iterable[Bar],
    auctions: Iterable[tuple[Session, Bar]],
    *,
    stale: bool,
) -> bytes:
    """A `CandlesView` as JSON."""
    items = ",".join([f"{{{_bar(bar)}}}" for bar in bars])
    apart = ",".join([f'{{{_bar(bar)},"session":"{session}"}}' for session, bar in auctions])
    return (
        f'{{"instrument_id":"{instrument_id}","interval":"{query.interval}","adjusted":{_json(query.adjusted)},'
        f'"items":[{items}],"auctions":[{apart}],"stale":{_json(stale)}}}'
    ).encode()


def _bar(bar: Bar) -> str:
    return (
        f'"start":"{wire_microseconds(bar.start)}","open":{_rupees(bar.open)},"high":{_rupees(bar.high)},'
        f'"low":{_rupees(bar.low)},"close":{_rupees(bar.close)},"volume":{bar.volume},'
        f'"turnover":{_rupees(bar.turnover)},"trades":{bar.trades},"complete":{_json(bar.is_complete)}'
    )


def _rupees(paise: int) -> str:
    return f'"{paise // 100}.{paise % 100:02d}"'


def _json(value: object) -> str:
    return "true" if value else "false"
