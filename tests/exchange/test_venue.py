"""The venue as a function of its journal: replay from any prefix, through JSON, gives the same."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.exchange import snapshot
from simulators.exchange.commands import (
    Command,
    Entry,
    Kind,
    Quotes,
    Reason,
    Repeat,
    Request,
    SessionEnd,
    decode,
    encode,
)
from simulators.exchange.reports import Report
from simulators.exchange.venue import ClientOrder, Venue

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


COMMANDS = st.lists(
    st.one_of(requests(), requests(), requests(), quotes(), st.builds(SessionEnd, st.integers(1, 3))), max_size=60
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


@settings(max_examples=150, deadline=None)
@given(COMMANDS, st.data())
def test_replay_from_any_prefix_equals_uncrashed_run(commands: list[Command], data: st.DataObject) -> None:
    entries = journal(commands)
    whole = Venue()
    expected = run(whole, entries)
    cut = data.draw(st.integers(0, len(entries)))
    before = Venue()
    run(before, entries[:cut])
    archive = [ClientOrder.restored(orjson.loads(orjson.dumps(o.state()))) for o in before.ended_after(0)]
    rebuilt = snapshot.restore(orjson.loads(orjson.dumps(snapshot.take(before))))
    rebuilt.load(archive)
    assert run(rebuilt, entries[cut:]) == expected[cut:]
    assert snapshot.take(rebuilt) == snapshot.take(whole)


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
def test_reports_keep_their_own_books_straight(commands: list[Command]) -> None:
    venue = Venue()
    outcomes = run(venue, journal(commands))
    reports = [report for made, _ in outcomes for report in made]
    assert len({r.exec_id for r in reports}) == len(reports)
    assert [r.report_id for r in reports] == sorted(r.report_id for r in reports)
    for order_id in {r.order_id for r in reports}:
        life = [r for r in reports if r.order_id == order_id and r.report_sequence]
        assert [r.report_sequence for r in life] == list(range(1, len(life) + 1))
        filled = 0
        for report in life:
            filled += report.last_quantity or 0
            assert report.cum_quantity == filled
        terminal = [r for r in life if r.order_status in ("FILLED", "CANCELED", "REJECTED", "EXPIRED")]
        assert terminal in ([], life[-1:])
        assert (order_id in venue.live) == (bool(life) and not terminal)


@settings(max_examples=100, deadline=None)
@given(COMMANDS)
def test_every_request_is_answered_or_repeated(commands: list[Command]) -> None:
    venue = Venue()
    entries = journal(commands)
    for entry, (reports, repeat) in zip(entries, run(venue, entries), strict=True):
        if isinstance(entry.command, Request):
            assert repeat or any(r.request_id == entry.command.request_id for r in reports)


@settings(max_examples=100, deadline=None)
@given(COMMANDS)
def test_both_sides_of_client_trades_match(commands: list[Command]) -> None:
    venue = Venue()
    trades: dict[str, list[Report]] = {}
    for made, _ in run(venue, journal(commands)):
        for report in made:
            if report.exec_type == "TRADE":
                trades.setdefault(str(report.match_id), []).append(report)
    for sides in trades.values():
        assert len({(r.last_quantity, r.last_price, r.instrument_id) for r in sides}) == 1
        assert len({r.side for r in sides}) == len(sides) <= 2


def test_position_gap_in_the_journal_is_refused() -> None:
    venue = Venue()
    entry = journal([SessionEnd(1)])[0]
    venue.apply(entry)
    with pytest.raises(ValueError, match="journal position 1 does not follow 1"):
        venue.apply(entry)
