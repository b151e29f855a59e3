"""The venue as a function of its journal: replay from any prefix, through JSON, gives the same."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.exchange import snapshot
from simulators.exchange.commands import Command, Request, SessionEnd
from simulators.exchange.orders import ClientOrder
from simulators.exchange.reports import Report
from simulators.exchange.venue import Venue
from tests.exchange.journals import COMMANDS, journal, run


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
