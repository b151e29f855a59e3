"""Ready-made orders, events and books; each test names only what it is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from shared.adapters.reference import load_reference_data
from shared.domain.ledger.accounts import INR, Account, AssetKey, BalanceKey
from shared.domain.ledger.books import Books
from shared.domain.ledger.holds import Balance
from shared.domain.lots import SecurityCost
from shared.domain.orders.events import (
    Acknowledged,
    CancelRefused,
    CancelRequested,
    Deadlines,
    Doubted,
    Ended,
    ExchangeRejected,
    Filled,
    FundsHeld,
    HandedToRecovery,
    Refused,
    Resolution,
    Resolved,
    Submitted,
    UnknownAtVenue,
    VenueReason,
)
from shared.domain.orders.order import Order, State
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.terms import OrderType, Product, Side, Terms, TimeInForce
from shared.domain.orders.transitions import apply

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
TRADE_DATE = "2026-11-23"
SPACE = UUID("0a1f5a1e-4a7b-4f2c-9c5e-2f6b7a1d9e00")
ALICE, BOB = uuid5(SPACE, "alice"), uuid5(SPACE, "bob")
SAGA = uuid5(SPACE, "saga")
CANCEL = uuid5(SPACE, "cancel")
RATE_CARDS = load_reference_data().rate_cards
EXPIRE_AT = NOW + timedelta(seconds=5)
DEADLINES = Deadlines(venue=NOW + timedelta(hours=5), gap=NOW + timedelta(seconds=3))
QUANTITY, PRICE = 10, 150_000
INFY = "INE009A01021"


def some_terms(**changes: Any) -> Terms:
    """BUY 10 INFY at 1,500 rupees."""
    values: dict[str, Any] = {
        "instrument_id": "NSE:INFY",
        "security_id": INFY,
        "segment": "EQ",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "product": Product.CNC,
        "time_in_force": TimeInForce.DAY,
        "quantity": QUANTITY,
        "price": PRICE,
        "limit_price": PRICE,
    }
    return Terms(**(values | changes))


def an_order(**changes: Any) -> Order:
    """An order with these terms, or `some_terms`, that was just accepted."""
    asked = {name: changes.pop(name) for name in Terms._fields if name in changes}
    values: dict[str, Any] = {
        "user_id": ALICE,
        "order_id": uuid5(SPACE, "order"),
        "terms": some_terms(**asked),
        "trade_date": TRADE_DATE,
        "accepted_at": NOW,
        "updated_at": NOW,
        "deadline": NOW + timedelta(seconds=30),
    }
    return Order(**(values | changes))


def held() -> FundsHeld:
    return FundsHeld(SAGA, NOW + timedelta(seconds=30))


def refused() -> Refused:
    return Refused(RejectCode.INSUFFICIENT_FUNDS, "too little")


def submitted() -> Submitted:
    return Submitted(EXPIRE_AT, NOW + timedelta(seconds=6))


def acknowledged(cum: int = 0) -> Acknowledged:
    return Acknowledged("X1", cum, DEADLINES)


def filled(quantity: int = 4, *, exec_id: str = "E1", price: int = PRICE, cum: int = 0) -> Filled:
    return Filled("NSE", TRADE_DATE, exec_id, quantity, price, cum, NOW, DEADLINES)


def ended(state: State = State.CANCELED, cum: int = 0) -> Ended:
    return Ended(state, cum, "as requested", DEADLINES)


def exchange_rejected(reason: str = "PRICE_BAND") -> ExchangeRejected:
    return ExchangeRejected(VenueReason(reason), f"The exchange refused the order: {reason}")


def cancel_requested() -> CancelRequested:
    return CancelRequested(CANCEL, NOW + timedelta(seconds=10))


def cancel_refused(reason: str = "TOO_LATE", *, tombstone: bool = False, cum: int = 0) -> CancelRefused:
    message = f"The exchange refused to cancel: {reason}"
    return CancelRefused(CANCEL, VenueReason(reason), message, tombstone, cum, DEADLINES)


def unknown(after_s: float = 6) -> UnknownAtVenue:
    return UnknownAtVenue(NOW + timedelta(seconds=after_s))


def to_recovery() -> HandedToRecovery:
    return HandedToRecovery(NOW + timedelta(seconds=60))


def doubted() -> Doubted:
    return Doubted(NOW + timedelta(days=1))


def resolved(resolution: Resolution = Resolution.CANCELED) -> Resolved:
    return Resolved(resolution, "confirmed by the exchange's desk")


def after(order: Order, *events: Any, at: datetime = NOW) -> Order:
    """The order after all events."""
    for event in events:
        order = apply(order, event, at)
    return order


_SHORTEST: dict[State, list[Any]] = {
    State.ACCEPTED: [],
    State.HELD: [held()],
    State.SUBMITTED: [held(), submitted()],
    State.NEW: [held(), submitted(), acknowledged()],
    State.PARTIALLY_FILLED: [held(), submitted(), filled()],
    State.FILLED: [held(), submitted(), filled(QUANTITY)],
    State.CANCELED: [cancel_requested()],
    State.REJECTED: [refused()],
    State.EXPIRED: [held(), submitted(), ended(State.EXPIRED)],
}


def numbers(missing: str) -> list[int]:
    """The numbers of `Order.missing_reports`."""
    found: list[int] = []
    for part in missing.split(",") if missing else ():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def in_state(state: State) -> Order:
    """An order that got to the state by its shortest way."""
    return after(an_order(), *_SHORTEST[state])


def books(
    orders: Iterable[Order] = (), cash: int = 10**12, shares: int = 10**6, users: Iterable[UUID] = (ALICE, BOB)
) -> Books:
    """Books in which every user has the same cash, and shares of every instrument that the orders name."""
    orders, users = list(orders), list(users)
    assets = {INR: cash} | {order.terms.security_id: shares for order in orders}
    accounts = {INR: Account.CASH}
    made = Books(
        at=NOW,
        rate_cards=RATE_CARDS,
        sequences=dict.fromkeys(users, 1),
        assets={AssetKey(user, asset) for user in users for asset in assets},
        balances={
            BalanceKey(user, accounts.get(asset, Account.HOLDINGS), asset): Balance(amount)
            for user in users
            for asset, amount in assets.items()
        },
        costs={AssetKey(user, asset): SecurityCost() for user in users for asset in assets},
    )
    for order in orders:
        made.open_order(order)
    return made
