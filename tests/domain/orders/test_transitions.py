"""Every state meets every event; the expectations stand here, written down a second time on purpose."""

from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.published import published_order
from shared.domain.orders.events import Repeated, ReportsIssued, Resolution
from shared.domain.orders.order import Order, Owner, State
from shared.domain.orders.transitions import IllegalTransitionError, apply
from shared.json_values import Json
from tests.support.values import (
    DEADLINES,
    NOW,
    PRICE,
    QUANTITY,
    acknowledged,
    after,
    an_order,
    cancel_refused,
    cancel_requested,
    doubted,
    ended,
    exchange_rejected,
    filled,
    held,
    in_state,
    refused,
    resolved,
    submitted,
    to_recovery,
    unknown,
)

STATES = "ACCEPTED HELD SUBMITTED NEW PARTIALLY_FILLED FILLED CANCELED REJECTED EXPIRED"
# A state: where the event takes the order. "=": it changes nothing. "!": it contradicts the order. "~": stays, changed.
EXPECTED = {
    "held":              "HELD      =        =                =                =                =  =  =  =",
    "refused":           "REJECTED  REJECTED !                !                !                =  =  =  =",
    "submitted":         "!         SUBMITTED =               =                =                =  =  =  =",
    "acknowledged":      "!         !        NEW              =                ~                =  =  =  =",
    "filled":            "!         !        PARTIALLY_FILLED PARTIALLY_FILLED ~                !  !  !  !",
    "filled_rest":       "!         !        PARTIALLY_FILLED PARTIALLY_FILLED FILLED           !  !  !  !",
    "repeated":          "!         !        ~                ~                ~                =  =  =  =",
    "reports_issued":    "!         !        ~                ~                ~                =  =  =  =",
    "exchange_rejected": "!         !        REJECTED         !                !                =  =  =  =",
    "cancel_requested":  "CANCELED  CANCELED ~                ~                ~                !  !  !  !",
    "canceled_at_4":     "!         !        ~                ~                CANCELED         =  =  =  =",
    "expired_at_4":      "!         !        ~                ~                EXPIRED          =  =  =  =",
    "cancel_refused":    "!         !        =                =                =                =  =  =  =",
    "tombstone":         "!         !        REJECTED         !                !                =  =  =  =",
    "unknown_late":      "!         !        REJECTED         !                !                =  =  =  =",
    "unknown_early":     "!         !        =                =                =                =  =  =  =",
    "to_recovery":       "=         =        ~                ~                ~                =  =  =  =",
    "doubted":           "=         =        ~                ~                ~                =  =  =  =",
    "resolved":          "!         !        !                !                !                !  !  !  !",
}  # fmt: skip
EVENTS: dict[str, Any] = {
    "held": held(),
    "refused": refused(),
    "submitted": submitted(),
    "acknowledged": acknowledged(),
    "filled": filled(3, exec_id="E2"),
    "filled_rest": filled(6, exec_id="E2"),
    "repeated": Repeated(1, DEADLINES),
    "reports_issued": ReportsIssued(1, NOW),
    "exchange_rejected": exchange_rejected(),
    "cancel_requested": cancel_requested(),
    "canceled_at_4": ended(State.CANCELED, 4),
    "expired_at_4": ended(State.EXPIRED, 4),
    "cancel_refused": cancel_refused(),
    "tombstone": cancel_refused("UNKNOWN_ORDER", tombstone=True),
    "unknown_late": unknown(6),
    "unknown_early": unknown(4),
    "to_recovery": to_recovery(),
    "doubted": doubted(),
    "resolved": resolved(),
}
CELLS = [
    pytest.param(State(state), event, expected, id=f"{state}-{event}")
    for event, row in EXPECTED.items()
    for state, expected in zip(STATES.split(), row.split(), strict=True)
]


def test_table_names_every_state_and_event():
    kinds = {type(event).__name__ for event in EVENTS.values()}
    assert STATES.split() == list(State)
    assert kinds == {
        "FundsHeld", "Refused", "Submitted", "Acknowledged", "Filled", "Repeated", "ReportsIssued",
        "ExchangeRejected", "CancelRequested", "Ended", "CancelRefused", "UnknownAtVenue", "HandedToRecovery",
        "Doubted", "Resolved",
    }  # fmt: skip


@pytest.mark.parametrize(("state", "event", "expected"), CELLS)
def test_each_state_answers_each_event(state: State, event: str, expected: str):
    before = in_state(state)
    assert before.state is state
    if expected == "!":
        with pytest.raises(IllegalTransitionError):
            apply(before, EVENTS[event], NOW)
        return
    changed = apply(before, EVENTS[event], NOW)
    if expected == "=":
        assert changed is before
        return
    assert changed.revision == before.revision + 1
    assert changed.version - before.version == (_shown(changed) != _shown(before))
    assert changed.state == (state if expected == "~" else expected)
    assert changed.terminal == (changed.owner is Owner.NOBODY)
    assert (changed.deadline is None) == changed.terminal


def _shown(order: Order) -> Json:
    """What its client sees of an order, apart from when and as which version."""
    return {name: value for name, value in published_order(order).items() if name not in {"version", "updated_at"}}


DOUBTFUL = [held(), submitted(), doubted()]


@pytest.mark.parametrize(
    ("events", "resolution", "expected"),
    [
        (DOUBTFUL, Resolution.NOT_RECEIVED, State.REJECTED),
        (DOUBTFUL, Resolution.CANCELED, State.CANCELED),
        ([held(), submitted(), acknowledged(), doubted()], Resolution.NOT_RECEIVED, None),
        ([held(), submitted(), acknowledged(), doubted()], Resolution.CANCELED, State.CANCELED),
        ([held(), submitted(), filled(), doubted()], Resolution.CANCELED, State.CANCELED),
        ([held(), submitted(), filled(cum=9), doubted()], Resolution.CANCELED, None),
        ([held(), submitted(), filled(), doubted()], Resolution.NOT_RECEIVED, None),
    ],
)
def test_operations_resolve_only_what_evidence_allows(
    events: list[Any], resolution: Resolution, expected: State | None
):
    order = after(an_order(), *events)
    if expected is None:
        with pytest.raises(IllegalTransitionError):
            apply(order, resolved(resolution), NOW)
    else:
        closed = apply(order, resolved(resolution), NOW)
        assert (closed.state, closed.in_doubt, closed.leaves_quantity) == (expected, False, 0)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], "PENDING_NEW"),
        ([held()], "PENDING_NEW"),
        ([held(), submitted()], "PENDING_NEW"),
        ([held(), submitted(), cancel_requested()], "PENDING_CANCEL"),
        ([held(), submitted(), acknowledged()], "NEW"),
        ([held(), submitted(), acknowledged(), cancel_requested()], "PENDING_CANCEL"),
        ([held(), submitted(), filled(), cancel_requested()], "PENDING_CANCEL"),
        ([held(), submitted(), filled(), cancel_requested(), cancel_refused("MARKET_CLOSED")], "PARTIALLY_FILLED"),
        ([held(), submitted(), filled(), cancel_requested(), filled(6, exec_id="E2")], "FILLED"),
        ([held(), submitted(), cancel_requested(), ended(cum=4)], "PENDING_CANCEL"),
        ([held(), submitted(), cancel_requested(), ended(cum=4), filled()], "CANCELED"),
        ([held(), submitted(), ended(State.EXPIRED)], "EXPIRED"),
        ([refused()], "REJECTED"),
    ],
)
def test_published_status_follows_fix_precedence(events: list[Any], status: str):
    assert after(an_order(), *events).status == status


@pytest.mark.parametrize(
    ("events", "filled_leaves_canceled"),
    [
        ([], (0, 10, 0)),
        ([held(), submitted(), filled(4)], (4, 6, 0)),
        ([held(), submitted(), ended(cum=7)], (0, 7, 3)),
        ([held(), submitted(), filled(4), ended(cum=7)], (4, 3, 3)),
        ([held(), submitted(), filled(4), ended(cum=4)], (4, 0, 6)),
        ([held(), submitted(), filled(10)], (10, 0, 0)),
        ([cancel_requested()], (0, 0, 10)),
        ([refused()], (0, 0, 10)),
    ],
)
def test_quantities_always_add_up(events: list[Any], filled_leaves_canceled: tuple[int, int, int]):
    order = after(an_order(), *events)
    quantities = (order.filled_quantity, order.leaves_quantity, order.canceled_quantity)
    assert quantities == filled_leaves_canceled
    assert sum(quantities) == QUANTITY


@pytest.mark.parametrize(
    ("events", "impossible"),
    [
        ([], filled(11)),
        ([filled(4)], filled(7, exec_id="E2")),
        ([], filled(4, price=PRICE + 1)),
        ([], acknowledged(11)),
        ([], ended(cum=11)),
        ([filled(4)], ended(cum=3)),
        ([ended(cum=4)], filled(5)),
        ([ended(cum=4)], filled(QUANTITY)),
        ([ended(cum=4)], acknowledged(5)),
        ([acknowledged(5)], ended(cum=4)),
        ([ended(cum=4)], ended(State.EXPIRED, 4)),
        ([ended(cum=4)], unknown(6)),
        ([ended(cum=4)], cancel_refused("UNKNOWN_ORDER", tombstone=True)),
        ([ended(cum=4)], exchange_rejected()),
    ],
)
def test_contradicting_the_exchange_itself_is_refused(events: list[Any], impossible: Any):
    order = after(an_order(), held(), submitted(), *events)
    with pytest.raises(IllegalTransitionError):
        apply(order, impossible, NOW)


def test_repeated_report_does_not_postpone_the_question():
    order = after(an_order(), held(), submitted(), acknowledged(4))
    later = acknowledged(4)
    later = type(later)("X1", 4, type(DEADLINES)(DEADLINES.venue, DEADLINES.gap + timedelta(seconds=60)))
    assert apply(order, later, NOW + timedelta(seconds=60)) is order
    assert order.deadline == DEADLINES.gap


def test_recovery_keeps_an_order_until_its_gap_closes():
    order = after(an_order(), held(), submitted(), to_recovery(), acknowledged(8))
    assert order.owner is Owner.RECOVERY
    order = after(order, doubted(), filled(4, cum=4))
    assert (order.owner, order.in_doubt) == (Owner.OPERATIONS, True)
    order = after(order, filled(4, exec_id="E2", cum=8))
    assert (order.owner, order.in_doubt, order.deadline) == (Owner.VENUE, False, DEADLINES.venue)


def test_too_late_cancel_asks_for_the_missing_end():
    order = after(an_order(), held(), submitted(), acknowledged(), cancel_requested(), cancel_refused("TOO_LATE"))
    assert (order.status, order.deadline) == ("NEW", DEADLINES.gap)
