"""Journals that Hypothesis makes up, and what a venue makes of them."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import orjson
from hypothesis import strategies as st

from simulators.exchange.commands import (
    Command,
    Entry,
    Kind,
    LateTrade,
    MarketState,
    ParticipantOrder,
    Quotes,
    Reason,
    Repeat,
    Request,
    SessionEnd,
    decode,
    encode,
)
from simulators.exchange.reports import Report
from simulators.exchange.venue import Venue

INSTRUMENTS = ("NSE:INFY", "NSE:TCS")


def uuid(number: int) -> str:
    return str(UUID(int=number))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Few orders and prices, so that requests meet each other; unique request ids come with the journal."""
    order = draw(st.integers(1, 8))
    return Request(
        draw(st.sampled_from([Kind.NEW, Kind.NEW, Kind.NEW, *Kind])),
        "",
        uuid(order),
        INSTRUMENTS[order % 2],
        account=draw(st.sampled_from(["A", "B", "C"])),
        side=draw(st.sampled_from(["BUY", "SELL"])),
        time_in_force=draw(st.sampled_from(["DAY", "DAY", "IOC", "FOK"])),
        quantity=draw(st.integers(1, 9)),
        price=draw(st.integers(98, 102)),
        from_sequence=draw(st.integers(1, 4)),
        refusal=draw(st.sampled_from([None] * 8 + [Reason.STALE, Reason.MALFORMED])),
    )


@st.composite
def quotes(draw: st.DrawFn) -> Quotes:
    reference = draw(st.integers(97, 103))
    instrument_id = draw(st.sampled_from(INSTRUMENTS))
    return Quotes(instrument_id, reference, ((reference - 1, 5), (reference - 2, 5)), ((reference + 1, 5),))


NAMES = st.sampled_from(INSTRUMENTS)
# What the market feed adds.
FEED_COMMANDS = st.one_of(
    st.builds(ParticipantOrder, NAMES, st.booleans(), st.integers(1, 9)),
    st.builds(LateTrade, NAMES, st.integers(90, 110), st.integers(1, 9), st.just(1_795_492_800_000_000)),
    st.builds(
        MarketState, st.integers(0, 3), st.sampled_from(["CONTINUOUS", "CLOSED"]), st.just(0), st.just(INSTRUMENTS)
    ),
)
COMMANDS = st.lists(
    st.one_of(requests(), requests(), requests(), quotes(), FEED_COMMANDS, st.builds(SessionEnd, st.integers(1, 3))),
    max_size=60,
)


def journal(commands: list[Command]) -> list[Entry]:
    start = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
    entries = []
    for position, command in enumerate(commands, 1):
        kind, body = encode(command)
        if "request_id" not in body and isinstance(command, Request):
            body["request_id"] = uuid(1000 + position)
        stored = decode(kind, orjson.loads(orjson.dumps(body)))
        entries.append(Entry(position, start + timedelta(seconds=position), date(2026, 11, 23), stored))
    return entries


def run(venue: Venue, entries: list[Entry]) -> list[tuple[list[Report], Repeat | None]]:
    return [venue.apply(entry) for entry in entries]
