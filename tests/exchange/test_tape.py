"""What the market feed shows, as a function of the journal: numbers without gaps, the real books' depth and figures."""

from collections import Counter
from datetime import UTC, date, datetime

from hypothesis import given, settings

from simulators.exchange.commands import Command, Entry, Kind, MarketState, ParticipantOrder, Quotes, Request
from simulators.exchange.reports import rupees
from simulators.exchange.tape import Depth, Print
from simulators.exchange.venue import Venue
from tests.exchange.journals import COMMANDS, INSTRUMENTS, journal, uuid


def levels(depth: Depth) -> dict[int, tuple[int, int]]:
    return {price: (quantity, orders) for price, (quantity, orders) in depth.levels.items()}


def counted(venue: Venue, name: str, *, buy: bool) -> dict[int, tuple[int, int]]:
    """The levels, added up from the book's orders."""
    book = venue.book(name)
    found: dict[int, tuple[int, int]] = {}
    for order in (book.bids if buy else book.asks).orders():
        quantity, orders = found.get(order.price, (0, 0))
        found[order.price] = quantity + order.leaves, orders + 1
    return found


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
def test_depth_is_that_of_the_book(commands: list[Command]) -> None:
    venue = Venue()
    for entry in journal(commands):
        venue.apply(entry)
        for name in INSTRUMENTS:
            tape, book = venue.tapes.of(name), venue.book(name)
            for buy, depth, side in ((True, tape.bids, book.bids), (False, tape.asks, book.asks)):
                expected = counted(venue, name, buy=buy)
                assert levels(depth) == expected
                assert depth.total == sum(quantity for quantity, _ in expected.values())
                assert [level.price for level in depth.best(side.best_first())] == list(expected)[:5]


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
def test_sequences_have_no_gap_and_trades_add_up(commands: list[Command]) -> None:
    venue = Venue()
    last = dict.fromkeys(INSTRUMENTS, 0)
    volume: Counter[str] = Counter()
    for entry in journal(commands):
        epoch = venue.tapes.epoch
        reports, _ = venue.apply(entry)
        changed, prints = venue.tapes.cut()
        if venue.tapes.epoch != epoch:
            last = dict.fromkeys(INSTRUMENTS, 0)
        for name, first in changed.items():
            assert first == last[name] + 1
            last[name] = venue.tapes.of(name).sequence
            numbers = [made.sequence for made in prints if made.instrument_id == name]
            assert numbers == list(range(first, first + len(numbers)))
            assert last[name] - first - len(numbers) in (-1, 0)
        assert {name: venue.tapes.of(name).sequence for name in INSTRUMENTS} == last
        reported = {r.match_id: (r.instrument_id, r.last_price, r.last_quantity) for r in reports if r.match_id}
        printed = Counter((made.instrument_id, rupees(made.price), made.quantity) for made in prints)
        assert Counter(reported.values()) <= printed
        volume.update(dict.fromkeys(INSTRUMENTS, 0))
        for made in prints:
            volume[made.instrument_id] += made.quantity
        assert volume == {name: venue.tapes.of(name).volume for name in INSTRUMENTS}


def apply(venue: Venue, command: Command, day: date = date(2026, 11, 23)) -> list[Print]:
    at = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)
    venue.apply(Entry(venue.position + 1, at, day, command))
    return venue.tapes.cut()[1]


def test_participants_trade_only_with_the_makers() -> None:
    venue = Venue()
    ladder = Quotes("NSE:INFY", 100, ((98, 50),), ((102, 50),))
    apply(venue, ladder)
    [made] = apply(venue, ParticipantOrder("NSE:INFY", True, 80))
    assert (made.price, made.quantity) == (102, 50)
    assert apply(venue, ParticipantOrder("NSE:INFY", True, 80)) == []
    better = Request(Kind.NEW, uuid(1), uuid(2), "NSE:INFY", account="A", side="SELL", quantity=5, price=101)
    apply(venue, ladder)
    apply(venue, better)
    assert apply(venue, ParticipantOrder("NSE:INFY", True, 80)) == []
    [made] = apply(venue, ParticipantOrder("NSE:INFY", False, 80))
    assert (made.price, made.quantity) == (98, 50)


def test_a_new_day_keeps_the_close_and_counts_from_zero() -> None:
    venue = Venue()
    apply(venue, MarketState(1, "CONTINUOUS", 0, INSTRUMENTS))
    apply(venue, Quotes("NSE:INFY", 100, ((98, 50),), ((102, 50),)))
    apply(venue, ParticipantOrder("NSE:INFY", True, 10))
    before = venue.tapes.of("NSE:INFY").sequence
    apply(venue, MarketState(1, "CLOSED", 0, INSTRUMENTS), date(2026, 11, 24))
    tape = venue.tapes.of("NSE:INFY")
    assert (tape.previous_close, tape.last_price, tape.volume, tape.open) == (102, 102, 0, None)
    assert tape.sequence == before + 1
    assert (tape.bids.total, tape.asks.total) == (0, 0)
