"""References that are derived from the code: `python -m tests.docs.generated` writes them, a test compares them.

    docs/reference/order-states.json   states, events, the transition table and every move between states

Moves are not read off the table: they are found by putting every kind of event to every order that can be reached.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.domain.orders.events import Resolution
from shared.domain.orders.order import TERMINAL, Order, State, changed
from shared.domain.orders.transitions import TRANSITIONS, IllegalTransitionError, apply
from tests.support import values

ROOT = Path(__file__).parents[2]
ORDER_STATES = ROOT / "docs" / "reference" / "order-states.json"
_QUANTITY = 3
_MOST_STEPS = 8

type Move = tuple[str, str, str]


def _events() -> list[Any]:
    """Every event, with every choice that decides where it leads for an order of three shares."""
    ended = [values.ended(state, cum) for state in (State.CANCELED, State.EXPIRED) for cum in range(_QUANTITY + 1)]
    fills = [values.filled(1, exec_id="E1"), values.filled(_QUANTITY, exec_id="E2")]
    return [
        *ended,
        *fills,
        values.held(),
        values.refused(),
        values.submitted(),
        values.acknowledged(),
        values.exchange_rejected(),
        values.exchange_rejected("STALE"),
        values.cancel_requested(),
        values.cancel_refused(),
        values.cancel_refused("UNKNOWN_ORDER", tombstone=True),
        values.unknown(),
        values.to_recovery(),
        values.doubted(),
        *map(values.resolved, Resolution),
    ]


def moves() -> list[Move]:
    """(from, event, to) for every change of state that some order can make, in the order of states."""
    first = values.an_order(quantity=_QUANTITY)
    seen, wave, found = {first}, [first], set()
    for _ in range(_MOST_STEPS):
        changed = [(order, event, after) for order in wave for event, after in _changes(order)]
        found |= {
            (before.state.value, type(event).__name__, after.state.value)
            for before, event, after in changed
            if before.state is not after.state
        }
        wave = list({after for _, _, after in changed} - seen)
        seen |= set(wave)
    places = {state.value: place for place, state in enumerate(State)}
    return sorted(found, key=lambda move: (places[move[0]], places[move[2]], move[1]))


def _changes(order: Order) -> Iterator[tuple[Any, Order]]:
    for event in _events():
        try:
            after = apply(order, event, values.NOW)
        except IllegalTransitionError:
            continue
        if after is not order:
            yield event, changed(after, version=1)  # orders that differ by their version alone are one


def order_states() -> str:
    """The text of order-states.json."""
    events = list(dict.fromkeys(event.__name__ for _, event in TRANSITIONS))
    verdicts = {(state, event.__name__): verdict.value for (state, event), verdict in TRANSITIONS.items()}
    content = {
        "states": [
            {"state": state.value, "status": _published(state), "terminal": state in TERMINAL} for state in State
        ],
        "verdicts": {event: {state.value: verdicts[state, event] for state in State} for event in events},
        "moves": [{"from": before, "event": event, "to": after} for before, event, after in moves()],
    }
    return json.dumps(content, indent=2) + "\n"


def _published(state: State) -> str:
    return values.an_order(state=state).status


if __name__ == "__main__":
    ORDER_STATES.write_text(order_states(), encoding="utf-8")
