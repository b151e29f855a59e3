"""Quotes over HTTP: what is asked and what is answered, in JSON.

The answers are written from precomputed pieces (`shared/contracts/quote_writing.py`); the views say what is in them.
Prices are decimal strings in rupees. What is newer has the greater (`epoch`, `sequence`), never the later time.
"""

import re
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from shared.contracts.common import Body, Instant, InstrumentId, Query, Rupees, View, plain_digits
from shared.contracts.stream_cursors import STREAM_CURSOR

MOST_BY_ADDRESS: Final = 100
MOST_BY_BODY: Final = 500
MOST_WAIT_S: Final = 20
_ID: Final = "[A-Z]{2,6}:[A-Z0-9&-]{1,40}"
_IDS: Final = re.compile(f"{_ID}(,{_ID}){{0,{MOST_BY_ADDRESS - 1}}}")


def _distinct(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


type Mode = Annotated[
    Literal["ltp", "ohlc", "full"],
    Field(description="ltp: last price; ohlc: also the day's figures; full: also the best five levels of the book"),
]


def _addressed(text: str) -> str:
    if _IDS.fullmatch(text) is None:
        raise ValueError(f"write 1 to {MOST_BY_ADDRESS} instrument ids as in NSE:INFY,NSE:TCS, separated by commas")
    return text


type InstrumentList = Annotated[
    str,
    StringConstraints(max_length=48 * MOST_BY_ADDRESS),
    AfterValidator(_addressed),
    Field(
        description=f"1 to {MOST_BY_ADDRESS} instruments, separated by commas",
        examples=["NSE:INFY,NSE:TCS"],
        json_schema_extra={"pattern": f"^{_IDS.pattern}$"},
    ),
]


class QuotesQuery(Query):
    """Quotes by address."""

    instruments: InstrumentList
    mode: Mode = "ltp"

    @property
    def instrument_ids(self) -> list[str]:
        """What is asked for, each once."""
        return _distinct(self.instruments.split(","))


class QuotesBody(Body):
    """Quotes by body."""

    instruments: Annotated[list[InstrumentId], Field(min_length=1, max_length=MOST_BY_BODY), AfterValidator(_distinct)]
    mode: Mode = "ltp"


class StreamQuery(QuotesQuery):
    """Ticks after a cursor. Without one the answer is the present quote of each instrument."""

    cursor: Annotated[str, STREAM_CURSOR] | None = None
    wait_s: Annotated[
        int,
        Field(ge=0, le=MOST_WAIT_S, description="Seconds to wait when there is no tick after the cursor"),
        BeforeValidator(plain_digits),
    ] = MOST_WAIT_S


class LtpQuote(View):
    """The last price of an instrument."""

    instrument_id: str
    epoch: int
    sequence: Annotated[int, Field(description="Of the instrument within the epoch; it never goes back")]
    last_price: Annotated[Rupees | None, Field(description="null before the first trade")]
    last_trade_at: Instant | None
    as_of: Annotated[Instant, Field(description="Exchange time of the newest change")]
    stale: Annotated[bool, Field(description="The feed of this instrument is mute: this is the last known state")]


class OhlcQuote(LtpQuote):
    """Also the figures of the trade date."""

    trade_date: str
    open: Rupees | None
    high: Rupees | None
    low: Rupees | None
    previous_close: Rupees | None
    change: Annotated[Rupees | None, Field(description="Last price - previous close", examples=["-3.20"])]
    change_percent: Annotated[str | None, Field(description="Of the previous close, two places", examples=["-0.21"])]
    volume: int


class DepthLevel(View):
    """One price of the book."""

    price: Rupees
    quantity: int
    orders: int


class FullQuote(OhlcQuote):
    """Also the book and everything else that the exchange publishes."""

    phase: Annotated[
        Literal["PRE_OPEN", "CONTINUOUS", "CLOSING_AUCTION", "HALTED", "CLOSED"],
        Field(description="What the exchange does with orders in the instrument"),
    ]
    last_quantity: int | None
    average_price: Annotated[str | None, Field(description="Turnover / volume, four places", examples=["1500.0050"])]
    turnover: Rupees
    lower_circuit: Rupees
    upper_circuit: Rupees
    total_bid_quantity: int
    total_ask_quantity: int
    open_interest: int | None
    bids: Annotated[list[DepthLevel], Field(description="Best first, at most five")]
    asks: Annotated[list[DepthLevel], Field(description="Best first, at most five")]


class QuotesView(View):
    """One entry an instrument, in the order asked for."""

    items: list[FullQuote | OhlcQuote | LtpQuote]
    missing: Annotated[list[str], Field(description="Instruments of which the feed has not sent anything yet")]


class DepthView(View):
    """The best five levels of one book."""

    instrument_id: str
    epoch: int
    sequence: int
    as_of: Instant
    stale: bool
    total_bid_quantity: int
    total_ask_quantity: int
    bids: list[DepthLevel]
    asks: list[DepthLevel]


class StreamView(View):
    """The newest quote of each instrument that has changed since the cursor."""

    ticks: list[FullQuote | OhlcQuote | LtpQuote]
    cursor: Annotated[str, Field(description="Send it with the next call; opaque")]
    stale: Annotated[bool, Field(description="The feed of at least one of the instruments is mute")]


class MoversQuery(Query):
    """How many of each."""

    limit: Annotated[int, Field(ge=1, le=50), BeforeValidator(plain_digits)] = 10


class MoversView(View):
    """Instruments by their change since the previous close, and by turnover."""

    trade_date: str
    gainers: Annotated[list[OhlcQuote], Field(description="Greatest rise first")]
    losers: Annotated[list[OhlcQuote], Field(description="Greatest fall first")]
    most_active: Annotated[list[OhlcQuote], Field(description="Greatest turnover first")]


class FeedState(StrEnum):
    """LIVE: every shard has a heartbeat of the last three seconds; DEGRADED: some; STALE: none."""

    LIVE = "LIVE"
    DEGRADED = "DEGRADED"
    STALE = "STALE"
    UNKNOWN = "UNKNOWN"


class FeedView(View):
    """Whether ticks arrive."""

    state: FeedState
    stale_shards: list[str]
    as_of: Annotated[Instant | None, Field(description="Newest heartbeat")]


class SegmentState(StrEnum):
    """Whether orders of the segment trade."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


class SegmentStatusView(View):
    """The session of one segment by its calendar."""

    segment: Annotated[str, Field(examples=["EQ"])]
    market: SegmentState
    trade_date: str
    opens_at: Annotated[Instant, Field(description="When orders trade next; now while the market is open")]
    closes_at: Annotated[Instant, Field(description="End of the session of the trade date")]


class MarketStatusView(View):
    """Sessions by the calendars, and the feed. A closed market is no stale feed."""

    now: Annotated[Instant, Field(description="The market's clock")]
    segments: list[SegmentStatusView]
    feed: FeedView


class ShardView(View):
    """Instruments that are published together."""

    shard: Annotated[str, Field(examples=["s000"])]
    instruments: list[str]


class SnapshotsView(View):
    """Every shard; an instrument is in one of them."""

    items: list[ShardView]


class SnapshotView(View):
    """Every instrument of one shard, as a content delivery network may keep it."""

    shard: str
    items: list[FullQuote]
