"""Any order and any repetition of a venue's reports ends in the same books, and every step keeps the invariants."""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any
from uuid import uuid5

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.application.orders.execution_reports import event_of
from shared.domain.ledger.books import Books
from shared.domain.ledger.changes import Changes
from shared.domain.orders.events import CancelRequested
from shared.domain.orders.order import Order, OrderKey, State
from shared.domain.orders.terms import Side
from tests.support import invariants
from tests.support.values import ALICE, BOB, DEADLINES, NOW, SPACE, an_order, books, held, refused, submitted
from tests.support.venue_model import SCRIPT_ACTIONS, VenueOfOne, cancel_id, readable

type Report = dict[str, Any]


@dataclass(frozen=True)
class Life:
    """One order, whether its owner cancelled it, and what the venue reported about it."""

    order: Order
    cancels: bool
    reports: tuple[Report, ...]


@st.composite
def lives(draw: st.DrawFn, number: int = 0) -> Life:
    order = an_order(
        order_id=uuid5(SPACE, f"order {number}"),
        user_id=draw(st.sampled_from([ALICE, BOB])),
        side=draw(st.sampled_from(list(Side))),
        quantity=draw(st.integers(1, 40)),
        limit_price=draw(st.sampled_from([5_00, 499_95, 1_500_00, 49_999_95])),
    )
    cancels = draw(st.booleans())
    venue = VenueOfOne(order, cancel_id(order) if cancels else None)
    opening = st.sampled_from([["new"], ["new"], ["new"], ["reject"], ["wait", "new", "cancel"], ["wait"], ["cancel"]])
    script = draw(opening) + draw(st.lists(st.sampled_from(SCRIPT_ACTIONS), max_size=9))
    for action in script:
        venue.play(action, draw(st.integers(0, 99)))
    return Life(order, cancels, tuple(venue.reports))


@st.composite
def worlds(draw: st.DrawFn) -> list[Life]:
    return [draw(lives(number)) for number in range(draw(st.integers(1, 3)))]


@st.composite
def deliveries(draw: st.DrawFn, world: list[Life]) -> list[Report]:
    reports = [report for life in world for report in life.reports]
    again = draw(st.lists(st.sampled_from(reports), max_size=4)) if reports else []
    return draw(st.permutations(reports + again))


def at_venue(world: list[Life]) -> Books:
    """Books with every order held and submitted, some with a cancel on its way."""
    made = books(life.order for life in world)
    for life in world:
        key = life.order.key
        made.reserve(key, held(), lambda required, available: refused())
        made.submit(key, submitted())
        if life.cancels:
            made.submit(key, CancelRequested(cancel_id(life.order), NOW))
    return made


def deliver(made: Books, report: Report) -> None:
    event = event_of(readable(report), DEADLINES)
    if event is not None:
        made.submit(OrderKey(readable(report).account, readable(report).order_id), event)


def summary(made: Books) -> dict[str, Any]:
    """What must not depend on the order of arrival."""
    return {
        "orders": {
            key: (
                order.state,
                order.status,
                order.filled_quantity,
                order.leaves_quantity,
                order.canceled_quantity,
                order.notional,
                order.charges,
                order.reject_code,
                order.status_message,
                order.pending_request,
                order.owner,
            )
            for key, order in made.orders.items()
        },
        "balances": {key: (b.balance, b.held) for key, b in made.balances.items() if b.balance or b.held},
        "holds": {h.key: (h.amount, h.open) for holds in made.holds.values() for h in holds},
        "costs": {key: (cost.now, cost.trades) for key, cost in deepcopy(made.costs).items()},
        "positions": {key: deepcopy(change) for key, change in made.changes.positions.items()},
        "trades": Counter(
            (t.order.order_id, t.fill.exec_id, t.fill.quantity, t.fill.price) for t in made.changes.trades
        ),
        "answered": made.changes.answered,
    }


def play(world: list[Life], delivery: list[Report]) -> Books:
    made = at_venue(world)
    start = {key: 10**12 if key[2] == "INR" else 10**6 for key in made.balances}
    for report in delivery:
        deliver(made, report)
        invariants.check(made, start)
    return made


@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), world=worlds())
def test_any_arrival_order_ends_in_the_same_books(data: st.DataObject, world: list[Life]):
    in_order = [report for life in world for report in life.reports]
    expected = summary(play(world, in_order))
    assert summary(play(world, data.draw(deliveries(world)))) == expected


@settings(max_examples=300, deadline=None)
@given(data=st.data(), world=worlds())
def test_batch_equals_its_reports_one_by_one(data: st.DataObject, world: list[Life]):
    delivery = data.draw(deliveries(world))
    together, alone = at_venue(world), at_venue(world)
    for report in delivery:
        deliver(together, report)
    written = [alone.changes]
    for report in delivery:
        # As after a commit and a new load: only rows survive, not what changed.
        copied = {name: deepcopy(getattr(alone, name)) for name in ("balances", "holds", "costs")}
        alone = replace(alone, changes=Changes(), **copied)
        deliver(alone, report)
        written.append(alone.changes)
    assert (alone.orders, alone.balances, alone.holds) == (together.orders, together.balances, together.holds)
    assert alone.costs == together.costs
    for lines in ("events", "transfers", "trades", "effects"):
        assert [line for each in written for line in getattr(each, lines)] == getattr(together.changes, lines)


def test_every_permutation_of_a_cancelled_partial_fill_agrees():
    order = an_order()
    venue = VenueOfOne(order, cancel_id(order))
    for action in ("new", "trade", "status", "trade", "cancel", "status"):
        venue.play(action, 33)
    world = [Life(order, cancels=True, reports=tuple(venue.reports))]
    ends = [summary(play(world, list(each))) for each in permutations(venue.reports)]
    assert ends == [ends[0]] * 720
    assert ends[0]["orders"][order.user_id, order.order_id][0] is State.CANCELED


def test_late_cancel_of_a_stale_order_agrees_in_both_orders():
    order = an_order()
    venue = VenueOfOne(order, cancel_id(order))
    for action in ("wait", "new", "cancel"):
        venue.play(action, 6)
    world = [Life(order, cancels=True, reports=tuple(venue.reports))]
    first, second = (summary(play(world, list(each))) for each in permutations(venue.reports))
    assert first == second
    assert first["orders"][order.user_id, order.order_id][0] is State.CANCELED
