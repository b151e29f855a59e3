"""Every order against its own history: replayed with the domain's `apply`, it must be the stored order.

From the same row come the ledger lines that its trades must have caused (1), what its hold captured and released
(3), and what the hold must still keep (4). The legs of a fill are written down here a second time on purpose: a
mistake in the books must not hide in a copy of itself.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid5

from psycopg.rows import dict_row

from sandbox.verify.model import Check, Inspection, Row, Violation
from sandbox.verify.queries import load
from sandbox.verify.rebuild import rebuild
from shared.domain.charges.rate_cards import ChargeKind, RateCards
from shared.domain.orders.events import Filled, FundsHeld
from shared.domain.orders.order import Order, Owner, State, changed
from shared.domain.orders.terms import Side, Terms
from shared.domain.orders.transitions import TRANSITIONS, IllegalTransitionError, apply

_SQL = load("orders.sql")
_EVENTS: Final[dict[str, type[Any]]] = {event.__name__: event for _, event in TRANSITIONS}
_AS_ASKED: Final = frozenset({"user_id", "order_id", "terms", "trade_date", "accepted_at", "client_order_id", "tag"})
_PAYEES: Final = {"brokerage": "house.brokerage", "exchange_transaction": "exchange.fees"}
_PAGE: Final = 200
type Finding = tuple[int, str, Row]


@dataclass(frozen=True, slots=True)
class Dossier:
    """One stored order with everything that names it."""

    order: Order
    events: Sequence[Row]
    holds: Sequence[Row]
    trades: Sequence[Row]
    transfers: Sequence[Sequence[Any]]

    @property
    def facts(self) -> dict[str, Any]:
        """What identifies it in a report."""
        return {"user_id": self.order.user_id, "order_id": self.order.order_id, "state": self.order.state.value}


def checks() -> list[Check]:
    """The one pass over all orders; its violations carry the invariant they break."""
    return [
        Check(8, "orders are what their histories and trades make of them", _all_orders),
        Check(8, "nothing names an order that does not exist", _unknown_orders),
    ]


def _all_orders(inspection: Inspection) -> Iterator[Violation]:
    with inspection.broker.cursor(name="orders", row_factory=dict_row) as cursor:
        cursor.itersize = _PAGE
        for row in cursor.execute(_SQL["orders"]):
            for invariant, check, detail in judge(row, inspection.terms.rate_cards):
                yield Violation(invariant, check, (detail,))


def _unknown_orders(inspection: Inspection) -> Iterator[Violation]:
    rows = inspection.broker.execute(_SQL["unknown_orders"]).fetchmany(5)
    if rows:
        yield Violation(8, "nothing names an order that does not exist", tuple(rows))


def judge(row: Row, cards: RateCards) -> Iterator[Finding]:
    """What is wrong with one order."""
    try:
        order = order_of(row)
    except (TypeError, ValueError) as error:
        yield 8, "an order's values are legal", {"order_id": row["order_id"], "error": str(error)}
        return
    dossier = Dossier(order, row["events"], row["holds"], row["trades"], row["transfers"])
    yield from _replay(dossier, cards)
    yield from _judge_trades(dossier)
    yield from _judge_ledger(dossier)
    yield from _judge_hold(dossier, cards)


def order_of(row: Row) -> Order:
    """The stored order. Raises TypeError, ValueError for a value that no order can have."""
    terms = rebuild(Terms, {name: row[name] for name in Terms._fields})
    return rebuild(Order, {name: row[name] for name in Order._fields if name != "terms"} | {"terms": terms})


def worst_case(order: Order, cards: RateCards) -> int:
    """What the order must hold: its leaves at the limit price with the charges to come, or its shares."""
    leaves, terms = order.leaves_quantity, order.terms
    if terms.side is Side.SELL or leaves == 0:
        return leaves
    value = leaves * terms.limit_price
    return value + _charges(order, order.notional + value, cards) - _charges(order, order.notional, cards)


def _charges(order: Order, notional: int, cards: RateCards) -> int:
    card = cards.find(order.terms.segment, ChargeKind.DELIVERY, date.fromisoformat(order.trade_date))
    return card.charges(order.terms.side, notional).total


# --- the history --------------------------------------------------------------------------------------


def _replay(dossier: Dossier, cards: RateCards) -> Iterator[Finding]:
    try:
        replayed = replay(dossier.order, dossier.events, cards)
    except (IllegalTransitionError, KeyError, TypeError, ValueError) as error:
        yield 8, "an order moves by legal transitions only", dossier.facts | {"error": str(error)}
        return
    different = {
        name: f"{here} instead of {made}"
        for name, here, made in zip(Order._fields, dossier.order, replayed, strict=True)
        if here != made
    }
    if different:
        yield 8, "an order is what its history makes of it", dossier.facts | different


def replay(stored: Order, events: Sequence[Row], cards: RateCards) -> Order:
    """The order that the events make of it from the moment it was accepted.

    Raises IllegalTransitionError, or ValueError for a history with a hole or a state that no event explains.
    """
    _require([event["revision"] for event in events] == list(range(1, len(events) + 1)), "revisions are 1, 2, 3…")
    _require(bool(events) and events[0]["event"] in {"Accepted", "Refused"}, "the first event is the verdict")
    if events[0]["event"] == "Refused":
        _require(len(events) == 1 and stored.state is State.REJECTED, "a refused order has no further life")
        return changed(stored, version=1, revision=1, owner=Owner.NOBODY, filled_quantity=0, notional=0)
    order = _as_accepted(stored, events)
    for row in events[1:]:
        order = _step(order, row, cards)
    return order


def _as_accepted(stored: Order, events: Sequence[Row]) -> Order:
    kept = {name: getattr(stored, name) for name in _AS_ASKED}
    # The dispatcher's first deadline is not in the history; any later event replaces it.
    deadline = stored.deadline if len(events) == 1 else None
    order = Order(**kept, updated_at=stored.accepted_at, deadline=deadline)
    _require(events[0]["state"] == order.state, "an accepted order begins as ACCEPTED")
    return order


def _step(order: Order, row: Row, cards: RateCards) -> Order:
    event = rebuild(_EVENTS[row["event"]], row["detail"])
    after = apply(order, event, datetime.fromisoformat(row["at"]))
    _require(after is not order, f"{row['event']} changed nothing in {order.state}")
    _require(after.state == row["state"], f"{row['event']} leads to {after.state}, not {row['state']}")
    _require(after.version == row["version"], f"{row['event']} leads to version {after.version}, not {row['version']}")
    if isinstance(event, Filled):
        after = changed(after, charges=_charges(after, after.notional, cards))
    return after


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(f"the history breaks the rule: {rule}")


# --- trades, ledger, hold -----------------------------------------------------------------------------


def _judge_trades(dossier: Dossier) -> Iterator[Finding]:
    filled = Counter(
        (d["venue"], d["trade_date"], d["exec_id"], d["quantity"], d["price"])
        for event in dossier.events
        if event["event"] == Filled.__name__ and (d := event["detail"])
    )
    booked = Counter((t["venue"], t["trade_date"], t["exec_id"], t["quantity"], t["price"]) for t in dossier.trades)
    if filled != booked:
        yield 10, "an order's fills are its trades", dossier.facts | _difference(filled, booked)


def _judge_ledger(dossier: Dossier) -> Iterator[Finding]:
    wanted = Counter(leg for trade in dossier.trades for leg in legs(dossier.order, trade))
    booked = Counter(tuple(transfer) for transfer in dossier.transfers)
    if wanted != booked:
        yield (
            1,
            "a trade's ledger entry moves exactly its value, shares and charges",
            dossier.facts | _difference(wanted, booked),
        )


def legs(order: Order, trade: Row) -> Iterator[tuple[str, str, str, str, int]]:
    """The lines that one trade must have: (entry, debit, credit, asset, amount)."""
    entry = str(uuid5(order.order_id, f"{trade['venue']}/{trade['trade_date']}/{trade['exec_id']}"))
    value, shares = trade["quantity"] * trade["price"], trade["quantity"]
    buys, security = order.terms.side is Side.BUY, order.terms.security_id
    if buys:
        yield entry, "client.cash", "clearing", "INR", value
        yield entry, "clearing", "client.unsettled_shares", security, shares
    else:
        yield entry, "client.holdings", "clearing", security, shares
        yield entry, "clearing", "client.unsettled_cash", "INR", value
    by_payee: Counter[str] = Counter()
    for component, amount in trade["charges"].items():
        by_payee[_PAYEES.get(component, "tax")] += amount
    for payee, amount in by_payee.items():
        if amount:
            yield entry, "client.cash" if buys else "client.unsettled_cash", payee, "INR", amount


def _judge_hold(dossier: Dossier, cards: RateCards) -> Iterator[Finding]:
    order = dossier.order
    history = {"amount": 0, "captured": 0, "released": 0}
    for event in dossier.events:
        detail = event["detail"]
        history["amount"] += detail.get("held", 0) if event["event"] == FundsHeld.__name__ else 0
        history["captured"] += detail.get("captured", 0)
        history["released"] += detail.get("released", 0)
    stored = {name: sum(hold[name] for hold in dossier.holds) for name in history}
    if stored != history:
        yield (
            3,
            "a hold is what the history placed, captured and released",
            dossier.facts | _difference(Counter(history), Counter(stored)),
        )
    terms = order.terms
    account = ("client.cash", "INR") if terms.side is Side.BUY else ("client.holdings", terms.security_id)
    if any((hold["account"], hold["asset"]) != account for hold in dossier.holds):
        yield 3, "a BUY holds cash and a SELL holds its shares", dossier.facts | {"holds": dossier.holds}
    if dossier.holds and not order.terminal:
        wanted = worst_case(order, cards)
        is_open = stored["amount"] - stored["captured"] - stored["released"]
        if is_open != wanted:
            yield 4, "a working order's hold is its worst case", dossier.facts | {"open": is_open, "worst": wanted}


def _difference(wanted: Counter[Any], found: Counter[Any]) -> dict[str, Any]:
    return {"missing": list((wanted - found).items())[:5], "unexpected": list((found - wanted).items())[:5]}
