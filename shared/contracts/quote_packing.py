"""Quotes in MessagePack, for clients that read thousands of them: docs/reference/packed-quotes.md.

A quote is an array. `stale` comes first, so that the fields of a mode are the beginning of those of the next one.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.domain.market_data.quotes import Quote

PACKED_QUOTES: Final = "application/vnd.broker.quotes+msgpack"
VERSION: Final = 1
FIELDS: Final = (
    *("stale", "instrument_id", "epoch", "sequence", "last_price", "last_trade_at", "as_of"),
    *("trade_date", "open", "high", "low", "previous_close", "volume"),
    *("phase", "last_quantity", "turnover", "lower_circuit", "upper_circuit", "total_bid_quantity"),
    *("total_ask_quantity", "open_interest", "bids", "asks"),
)
"""By place. Prices are paise, turnover is paise x units, times are microseconds since 1970 UTC."""
FIELDS_OF: Final = {"ltp": 7, "ohlc": 13, "full": 23}
"""How many of them each mode has."""
_encode: Final = msgspec.msgpack.Encoder().encode


def pack_quotes(mode: str, quotes: Sequence[tuple[Quote, bool]], name: str, members: dict[str, Any]) -> bytes:
    """The map {version, mode, name: quotes, **members}; each quote is given with whether it is stale."""
    places = FIELDS_OF[mode]
    return _encode({"version": VERSION, "mode": mode, name: [_fields(*each)[:places] for each in quotes], **members})


def _fields(quote: Quote, stale: bool) -> tuple[Any, ...]:
    return (
        stale,
        quote.instrument_id,
        quote.epoch,
        quote.sequence,
        quote.last_price,
        quote.last_trade_at,
        quote.exchange_time,
        quote.trade_date,
        quote.day_open,
        quote.day_high,
        quote.day_low,
        quote.previous_close,
        quote.volume,
        quote.phase,
        quote.last_quantity,
        quote.turnover,
        quote.lower_circuit,
        quote.upper_circuit,
        quote.total_bid_quantity,
        quote.total_ask_quantity,
        quote.open_interest,
        quote.bids,
        quote.asks,
    )
