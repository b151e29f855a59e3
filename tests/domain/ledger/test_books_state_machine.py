"""Orders of several users live at random against a venue of theirs; reports are repeated, swapped, delayed and lost."""

from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import uuid5

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from shared.application.orders.execution_reports import event_of
from shared.domain.orders.events import (
    CancelRequested,
    Doubted,
    FundsHeld,
    HandedToRecovery,
    Refused,
    ReportsIssued,
    Resolution,
    Resolved,
    Submitted,
)
from shared.domain.orders.order import AT_VENUE, Order, OrderKey, Owner, State
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.terms import Side
from shared.domain.orders.transitions import IllegalTransitionError
from tests.support import invariants
from tests.support.values import ALICE, BOB, DEADLINES, EXPIRE_AT, NOW, SAGA, SPACE, an_order, books, numbers, refused
from tests.support.venue_model import LIVE, VenueOfOne, cancel_id, readable

CASH, SHARES = 60_000_00, 60
SOON = NOW + timedelta(seconds=30)


def key_of(order: Order) -> OrderKey:
    return order.key


class BrokerAndVenue(RuleBasedStateMachine):
    """`in_flight` holds reports that were sent and may yet arrive, in any order and any number of times."""

    placed = Bundle("placed")

    def __init__(self) -> None:
        super().__init__()
        self.books = books([an_order(instrument_id="NSE:INFY")], cash=CASH, shares=SHARES)
        self.books.orders.clear()
        self.books.changes.effects.clear()
        self.books.sequences = {ALICE: 1, BOB: 1}
        self.deposits = invariants.deposits_of(self.books)
        self.venues: dict[OrderKey, VenueOfOne] = {}
        self.arrived: defaultdict[OrderKey, set[int]] = defaultdict(set)
        self.in_flight: list[dict[str, Any]] = []

    def order(self, key: OrderKey) -> Order:
        return self.books.orders[key]

    @rule(
        target=placed,
        user=st.sampled_from([ALICE, BOB]),
        side=st.sampled_from(list(Side)),
        quantity=st.integers(1, 40),
        price=st.sampled_from([5_00, 499_95, 1_500_00]),
        goes_on=st.booleans(),
    )
    def place(self, user: Any, side: Side, quantity: int, price: int, goes_on: bool) -> OrderKey:
        number = len(self.books.orders)
        order = an_order(
            order_id=uuid5(SPACE, f"{number}"), user_id=user, side=side, quantity=quantity, limit_price=price
        )
        self.books.open_order(order)
        self.venues[key_of(order)] = VenueOfOne(order)
        if goes_on:
            # Most of what can go wrong comes later, and a random walk rarely gets there.
            self.reserve(key_of(order))
            self.submit(key_of(order))
            self._play(key_of(order), "new", 0)
        return key_of(order)

    @rule(key=placed)
    def reserve(self, key: OrderKey) -> None:
        before = self.order(key)
        after = self.books.reserve(key, FundsHeld(SAGA, SOON), lambda required, available: refused())
        assert after is before or after.state in {State.HELD, State.REJECTED}

    @rule(key=placed)
    def refuse(self, key: OrderKey) -> None:
        if self.order(key).state not in AT_VENUE:
            self.books.submit(key, Refused(RejectCode.PROCESSING_FAILED, "it failed"))

    @rule(key=placed)
    def submit(self, key: OrderKey) -> None:
        if self.order(key).state is not State.ACCEPTED:
            self.books.submit(key, Submitted(EXPIRE_AT, SOON))

    @rule(key=placed)
    def cancel(self, key: OrderKey) -> None:
        before = self.order(key)
        if before.terminal:
            return
        after = self.books.submit(key, CancelRequested(cancel_id(before), SOON))
        if after.state in AT_VENUE and not self.venues[key].answered_cancel:
            self.venues[key].cancel_id = cancel_id(before)

    @rule(
        key=placed,
        action=st.sampled_from(["new", "trade", "trade_all", "trade", "cancel", "refuse_cancel", "end", "expire"]),
        number=st.integers(0, 99),
    )
    def happens_at_venue(self, key: OrderKey, action: str, number: int) -> None:
        self._play(key, action, number)

    @rule(key=placed, action=st.sampled_from(["new", "reject"]), seconds=st.integers(0, 9))
    def new_arrives_late_or_is_refused(self, key: OrderKey, action: str, seconds: int) -> None:
        self._play(key, "wait", seconds)
        self._play(key, action, 0)

    def _play(self, key: OrderKey, action: str, number: int) -> None:
        # The venue reads only what has left us.
        venue = self.venues[key]
        if self.order(key).submitted_at is None:
            return
        before = len(venue.reports)
        venue.play(action, number)
        self.in_flight.extend(venue.reports[before:])

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), repeated=st.booleans())
    def report_arrives(self, data: st.DataObject, repeated: bool) -> None:
        place = data.draw(st.integers(0, len(self.in_flight) - 1))
        report = self.in_flight[place] if repeated else self.in_flight.pop(place)
        self._deliver(report)

    def _deliver(self, report: dict[str, Any]) -> None:
        read = readable(report)
        event = event_of(read, DEADLINES)
        key = OrderKey(read.account, read.order_id)
        if event is not None:
            self.books.submit(key, event)
        if read.report_sequence is not None:
            self.arrived[key].add(read.report_sequence)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def report_is_lost(self, data: st.DataObject) -> None:
        self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))

    @rule(key=placed)
    def records_of_the_venue_are_compared(self, key: OrderKey) -> None:
        venue = self.venues[key]
        if venue.numbered and not self.order(key).terminal:
            order = self.books.submit(key, ReportsIssued(venue.numbered, NOW))
            assert order.venue_sequence == venue.numbered
            assert order.has_gap or len(self.arrived[key]) == venue.numbered

    @rule(key=placed)
    def silence_hands_to_recovery_which_asks(self, key: OrderKey) -> None:
        order = self.order(key)
        if order.state in AT_VENUE:
            self.books.submit(key, HandedToRecovery(SOON))
            self._play(key, "wait", 6)
            self._play(key, "status", 0)
            self.in_flight.extend(self.venues[key].reports)

    @rule(key=placed)
    def recovery_gives_up(self, key: OrderKey) -> None:
        if self.order(key).owner is Owner.RECOVERY:
            assert self.books.submit(key, Doubted(SOON)).in_doubt

    @rule(key=consumes(placed))
    def operations_establish_the_truth(self, key: OrderKey) -> None:
        order, venue = self.order(key), self.venues[key]
        if not order.in_doubt or venue.status in LIVE or venue.cum != order.filled_quantity:
            return
        resolution = Resolution.CANCELED if venue.known else Resolution.NOT_RECEIVED
        try:
            self.books.submit(key, Resolved(resolution, "by the desk"))
        except IllegalTransitionError:
            assert order.has_gap or (resolution is Resolution.NOT_RECEIVED and order.state is not State.SUBMITTED)

    @invariant()
    def books_are_sound(self) -> None:
        invariants.check(self.books, self.deposits)

    @invariant()
    def missing_reports_are_exactly_those_that_have_not_arrived(self) -> None:
        for key, order in self.books.orders.items():
            issued = set(range(1, order.venue_sequence + 1))
            missing = set() if order.terminal else issued - self.arrived[key]
            assert numbers(order.missing_reports) == sorted(missing)
            assert order.terminal or self.arrived[key] <= issued

    @invariant()
    def nobody_waits_without_an_owner(self) -> None:
        for order in self.books.orders.values():
            assert order.terminal or (order.owner is not Owner.NOBODY and order.deadline is not None)
            assert order.in_doubt == (order.owner is Owner.OPERATIONS)

    def teardown(self) -> None:
        """Once every report has arrived, we know what the venue knows."""
        for report in [each for venue in self.venues.values() for each in venue.reports]:
            self._deliver(report)
        self.books_are_sound()
        for key, venue in self.venues.items():
            order = self.order(key)
            if venue.known and order.status_message != "by the desk":
                assert order.filled_quantity == venue.cum
                assert order.terminal == (venue.status not in LIVE)


TestBrokerAndVenue = BrokerAndVenue.TestCase
TestBrokerAndVenue.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
