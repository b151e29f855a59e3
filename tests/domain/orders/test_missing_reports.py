"""A number that was skipped, or that the venue's records name, opens a gap; what arrives closes it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.orders.events import Acknowledged, Deadlines, Ended, Filled, Repeated, ReportsIssued, Resolution
from shared.domain.orders.order import Order, Owner, State
from shared.domain.orders.transitions import IllegalTransitionError, apply
from tests.support.values import (
    DEADLINES,
    NOW,
    acknowledged,
    after,
    an_order,
    cancel_refused,
    cancel_requested,
    doubted,
    ended,
    filled,
    held,
    resolved,
    submitted,
    to_recovery,
)

LATER = Deadlines(DEADLINES.venue, DEADLINES.gap + timedelta(seconds=60))


def numbered[Report: (Acknowledged, Filled, Ended)](number: int, report: Report, **changes: Any) -> Report:
    return replace(report, report_sequence=number, **changes)


def issued(newest: int) -> ReportsIssued:
    return ReportsIssued(newest, NOW)


def working(*events: Any) -> Order:
    """An order at the venue whose first report has arrived, after these events."""
    return after(an_order(), held(), submitted(), numbered(1, acknowledged()), *events)


def test_skipped_number_is_asked_for_soon() -> None:
    order = working(numbered(3, filled(2, exec_id="E3")))
    assert (order.missing_reports, order.has_gap, order.deadline) == ("2", True, DEADLINES.gap)
    closed = after(order, numbered(2, filled(2, exec_id="E2")))
    assert (closed.missing_reports, closed.has_gap, closed.deadline) == ("", False, DEADLINES.venue)


def test_acknowledgement_that_never_came_is_missed() -> None:
    order = after(an_order(), held(), submitted(), numbered(2, filled()))
    assert (order.missing_reports, order.deadline) == ("1", DEADLINES.gap)
    assert after(order, numbered(1, acknowledged())).deadline == DEADLINES.venue


def test_later_reports_do_not_put_the_question_off() -> None:
    order = working(numbered(3, filled(2, exec_id="E3")))
    order = apply(order, numbered(4, filled(2, exec_id="E4"), deadlines=LATER), NOW)
    assert (order.missing_reports, order.deadline) == ("2", DEADLINES.gap)
    assert apply(order, numbered(2, filled(2, exec_id="E2"), deadlines=LATER), NOW).deadline == LATER.venue


def test_report_named_by_the_records_is_asked_for_at_once() -> None:
    order = working(issued(2))
    assert (order.venue_sequence, order.missing_reports, order.deadline) == (2, "2", NOW)
    assert (order.state, order.filled_quantity, order.version) == (State.NEW, 0, working().version)
    ended_ = apply(order, numbered(2, ended(cum=0)), NOW)
    assert (ended_.state, ended_.missing_reports, ended_.deadline) == (State.CANCELED, "", None)


def test_records_say_nothing_new_about_a_complete_order() -> None:
    order = working()
    assert apply(order, issued(1), NOW) is order


@pytest.mark.parametrize(("events", "owner"), [([], Owner.SAGA), ([to_recovery()], Owner.RECOVERY)])
def test_whoever_asks_already_keeps_the_order(events: list[Any], owner: Owner) -> None:
    before = after(an_order(), held(), submitted(), *events)
    order = apply(before, issued(1), NOW)
    assert (order.owner, order.deadline, order.missing_reports) == (owner, before.deadline, "1")
    assert (order.state, order.answered_at) == (State.SUBMITTED, None)


def test_recovery_asks_on_until_the_missing_report_arrives() -> None:
    order = working(issued(2), to_recovery(), replace(acknowledged(), last_sequence=2))
    assert (order.owner, order.missing_reports) == (Owner.RECOVERY, "2")
    order = after(order, numbered(2, filled()))
    assert (order.owner, order.deadline) == (Owner.VENUE, DEADLINES.venue)


def test_execution_booked_before_still_accounts_for_its_number() -> None:
    order = working(filled(), issued(2), Repeated(2, DEADLINES))
    assert (order.missing_reports, order.has_gap, order.deadline) == ("", False, DEADLINES.venue)
    assert apply(order, Repeated(2, DEADLINES), NOW) is order


def test_status_of_an_order_names_its_newest_report() -> None:
    order = working(replace(acknowledged(), last_sequence=4))
    assert (order.venue_sequence, order.missing_reports, order.deadline) == (4, "2-4", DEADLINES.gap)


@pytest.mark.parametrize("resolution", Resolution)
def test_doubt_with_missing_reports_is_not_resolved(resolution: Resolution) -> None:
    order = after(an_order(), held(), submitted(), issued(1), doubted())
    with pytest.raises(IllegalTransitionError):
        apply(order, resolved(resolution), NOW)


def test_fill_leaves_the_cancel_its_deadline() -> None:
    """The answer to the cancel may be lost like any report, and a refusal has no number."""
    order = working(cancel_requested())
    due = order.deadline
    order = after(order, numbered(2, filled()))
    assert (order.deadline, order.owner) == (due, Owner.VENUE)
    assert after(order, cancel_refused("MARKET_CLOSED")).deadline == DEADLINES.venue
