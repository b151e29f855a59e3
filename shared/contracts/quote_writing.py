"""Quotes as JSON, written once a quote and not once an answer: an answer joins pieces.

A piece is the object of one of the views in `quotes` up to `stale`, which depends on when it is read. The figures are
formatted here and not by the views, because a process answers 200,000 quotes a second.
"""

from collections.abc import Callable, Iterable
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from shared.contracts.quote_packing import PACKED_QUOTES, pack_quotes
from shared.domain.market_data.quotes import Level, Quote
from shared.domain.money import format_average
from shared.domain.times import wire_microseconds

type Mode = str
"""ltp, ohlc or full."""

_SECOND_US: Final = 1_000_000
_PAISE: Final = tuple(f'.{paise:02d}"' for paise in range(100))
"""Looked up: an amount is written in half the time."""
_STALE: Final = {True: b',"stale":true}', False: b',"stale":false}'}


class WrittenQuote:
    """A quote and the pieces that were asked for."""

    __slots__ = ("_pieces", "quote")

    def __init__(self, quote: Quote) -> None:
        self.quote = quote
        self._pieces: dict[Mode, bytes] = {}

    def piece(self, mode: Mode) -> bytes:
        """The JSON object of the mode, without its end."""
        found = self._pieces.get(mode)
        if found is None:
            found = self._pieces[mode] = ("{" + _WRITERS[mode](self.quote)).encode()
        return found


class Form(StrEnum):
    """What an answer is written in: the value is its content type."""

    JSON = "application/json"
    PACKED = PACKED_QUOTES


def write_quotes(
    form: Form, mode: Mode, quotes: Iterable[tuple[WrittenQuote, bool]], *, name: str = "items", **members: object
) -> bytes:
    """An object whose list `name` has these quotes, each given with whether it is stale; `members` are its others."""
    if form is Form.PACKED:
        return pack_quotes(mode, [(quote.quote, stale) for quote, stale in quotes], name, members)
    rest = msgspec.json.encode(members)[1:-1]
    return b'{"%b":[%b],%b}' % (name.encode(), join_quotes(mode, quotes), rest)


def join_quotes(mode: Mode, quotes: Iterable[tuple[WrittenQuote, bool]]) -> bytes:
    """Their JSON objects, separated by commas."""
    return b",".join([quote.piece(mode) + _STALE[stale] for quote, stale in quotes])


def _ltp(quote: Quote) -> str:
    return (
        f'"instrument_id":"{quote.instrument_id}","epoch":{quote.epoch},"sequence":{quote.sequence},'
        f'"last_price":{_rupees(quote.last_price)},"last_trade_at":{_instant(quote.last_trade_at)},'
        f'"as_of":{_instant(quote.exchange_time)}'
    )


def _ohlc(quote: Quote) -> str:
    change, percent = _change(quote)
    return (
        f'{_ltp(quote)},"trade_date":"{_day(quote.trade_date)}","open":{_rupees(quote.day_open)},'
        f'"high":{_rupees(quote.day_high)},"low":{_rupees(quote.day_low)},'
        f'"previous_close":{_rupees(quote.previous_close)},"change":{change},"change_percent":{percent},'
        f'"volume":{quote.volume}'
    )


def _full(quote: Quote) -> str:
    average = f'"{format_average(quote.turnover, quote.volume)}"' if quote.volume else "null"
    return (
        f'{_ohlc(quote)},"phase":"{quote.phase}","last_quantity":{_number(quote.last_quantity)},'
        f'"average_price":{average},"turnover":{_rupees(quote.turnover)},'
        f'"lower_circuit":{_rupees(quote.lower_circuit)},"upper_circuit":{_rupees(quote.upper_circuit)},'
        f'"total_bid_quantity":{quote.total_bid_quantity},"total_ask_quantity":{quote.total_ask_quantity},'
        f'"open_interest":{_number(quote.open_interest)},"bids":[{_levels(quote.bids)}],"asks":[{_levels(quote.asks)}]'
    )


def _depth(quote: Quote) -> str:
    return (
        f'"instrument_id":"{quote.instrument_id}","epoch":{quote.epoch},"sequence":{quote.sequence},'
        f'"as_of":{_instant(quote.exchange_time)},"total_bid_quantity":{quote.total_bid_quantity},'
        f'"total_ask_quantity":{quote.total_ask_quantity},"bids":[{_levels(quote.bids)}],"asks":[{_levels(quote.asks)}]'
    )


_WRITERS: Final[dict[Mode, Callable[[Quote], str]]] = {"ltp": _ltp, "ohlc": _ohlc, "full": _full, "depth": _depth}


def write_depth(quote: WrittenQuote, *, stale: bool) -> bytes:
    """The book alone."""
    return quote.piece("depth") + _STALE[stale]


def _levels(levels: tuple[Level, ...]) -> str:
    return ",".join([_level(each.price, each.quantity, each.orders) for each in levels])


def _level(price: int, quantity: int, orders: int) -> str:
    return f'{{"price":"{price // 100}{_PAISE[price % 100]},"quantity":{quantity},"orders":{orders}}}'


def _change(quote: Quote) -> tuple[str, str]:
    if quote.last_price is None or not quote.previous_close:
        return "null", "null"
    close, change = quote.previous_close, quote.last_price - quote.previous_close
    sign, size = ("-", -change) if change < 0 else ("", change)
    # To the nearest hundredth of a percent, a half away from zero.
    hundredths = (size * 20_000 + close) // (2 * close)
    return (
        f'"{sign}{size // 100}{_PAISE[size % 100]}',
        f'"{sign if hundredths else ""}{hundredths // 100}{_PAISE[hundredths % 100]}',
    )


def _rupees(paise: int | None) -> str:
    return "null" if paise is None else f'"{paise // 100}{_PAISE[paise % 100]}'


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _instant(time: int | None) -> str:
    if time is None:
        return "null"
    second, rest = divmod(time, _SECOND_US)
    return f'"{_second(second)}.{rest:06d}Z"'


@lru_cache(maxsize=64)
def _day(day: date) -> str:
    return day.isoformat()


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    """What the instants of one second have in common: all quotes of a busy market."""
    return wire_microseconds(second * _SECOND_US)[: -len(".000000Z")]
