"""The books of some users while their rows are locked: orders, holds, balances and what changed.

Everything that moves an order or money goes through `Books.submit`, one event at a time in arrival
order; an adapter loads the books, runs a plain function on them and writes what changed in one
transaction. So a batch equals its orders one by one, by construction.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid5

from shared.domain.charges import Charges, RateCards
from shared.domain.ledger import INR, Account, Balance, Hold, TotalCharges, Transfer, hold_account, worst_case
from shared.domain.money import format_rupees
from shared.domain.orders import Event, Filled, FundsHeld, Order, Refused, Side, apply, changed
from shared.domain.published import Json, published_order, wire_time

type OrderKey = tuple[UUID, UUID]
type BalanceKey = tuple[UUID, Account, str]
type ExecutionKey = tuple[str, str, str]

PAYEES = {"HOUSE": Account.BROKERAGE, "EXCHANGE": Account.EXCHANGE_FEES, "TAX": Account.TAXES}


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One line of an order's history; `version` is the order's after it."""

    user_id: UUID
    order_id: UUID
    version: int
    event: str
    state: str
    detail: Json


@dataclass(frozen=True, slots=True)
class Trade:
    """One booked execution of one side. `charges` are this fill's share by component, in paise."""

    order: Order
    fill: Filled
    charges: dict[str, int]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that the user's clients must learn, in the order of `sequence`."""

    user_id: UUID
    sequence: int
    kind: str
    payload: Json


@dataclass(slots=True)
class PositionChange:
    """What a batch adds to one position; sums only, so the order of fills does not matter."""

    buy_quantity: int = 0
    buy_value: int = 0
    sell_quantity: int = 0
    sell_value: int = 0
    charges: int = 0


@dataclass(slots=True)
class Changes:
    """What the adapter has to write."""

    orders: set[OrderKey] = field(default_factory=set)
    events: list[OrderEvent] = field(default_factory=list)
    balances: set[BalanceKey] = field(default_factory=set)
    holds: set[OrderKey] = field(default_factory=set)
    transfers: list[Transfer] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    positions: dict[tuple[UUID, str], PositionChange] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    answered: Counter[UUID] = field(default_factory=Counter)
    doubts_ended: set[OrderKey] = field(default_factory=set)


@dataclass(slots=True)
class Books:
    """Loaded rows of the locked users; `at` is the instant of the transaction."""

    at: datetime
    rate_cards: RateCards
    sequences: dict[UUID, int]
    orders: dict[OrderKey, Order] = field(default_factory=dict)
    balances: dict[BalanceKey, Balance] = field(default_factory=dict)
    holds: dict[OrderKey, Hold] = field(default_factory=dict)
    executions: set[ExecutionKey] = field(default_factory=set)
    changes: Changes = field(default_factory=Changes)
    known_charges: dict[tuple[str, Side, int], Charges] = field(default_factory=dict, repr=False, compare=False)
    """What was computed already in this unit: an order's hold and its fills ask for the same sums."""

    def open_order(self, order: Order) -> None:
        """Put a new order (accepted, or refused at the door) on record."""
        self.orders[order.user_id, order.order_id] = order
        self._record(order, "Accepted" if not order.terminal else "Refused", {})

    def reserve(self, key: OrderKey, held: FundsHeld, refusal: Callable[[int, int], Refused]) -> Order:
        """Hold the order's worst case, or refuse the order with `refusal(required, available)`."""
        order = self.orders[key]
        account, asset = hold_account(order)
        required = worst_case(order, self._charges_of(order))
        available = self._balance(order.user_id, account, asset).available
        if available < required and not order.terminal and key not in self.holds:
            return self.submit(key, refusal(required, available))
        return self.submit(key, held)

    def submit(self, key: OrderKey, event: Event) -> Order:
        """Apply one event; returns the order, the very same object when nothing changed.

        Raises IllegalTransitionError and changes nothing when the event contradicts the order.
        """
        before = self.orders[key]
        if isinstance(event, Filled) and (event.venue, event.trade_date, event.exec_id) in self.executions:
            return before
        after = apply(before, event, self.at)
        if after is before:
            return before
        detail = describe(event)
        if isinstance(event, FundsHeld):
            detail |= self._place_hold(after)
        if isinstance(event, Filled):
            after, booked = self._book_fill(after, event)
            detail |= booked
        if (after.leaves_quantity, after.notional) != (before.leaves_quantity, before.notional):
            detail |= self._trim_hold(after)
        self.orders[key] = after
        if before.answered_at is None and after.answered_at is not None and after.saga_id is not None:
            self.changes.answered[after.saga_id] += 1
        if before.in_doubt and not after.in_doubt:
            self.changes.doubts_ended.add(key)
        self._record(after, type(event).__name__, detail)
        return after

    def _record(self, order: Order, event: str, detail: Json) -> None:
        self.changes.orders.add((order.user_id, order.order_id))
        self.changes.events.append(
            OrderEvent(order.user_id, order.order_id, order.version, event, order.state.value, detail)
        )
        self._tell(order.user_id, "order", published_order(order))

    def _tell(self, user_id: UUID, kind: str, payload: Json) -> None:
        sequence = self.sequences[user_id]
        self.sequences[user_id] = sequence + 1
        self.changes.effects.append(Effect(user_id, sequence, kind, payload))

    def _charges(self, order: Order, notional: int) -> Charges:
        key = (order.trade_date, order.side, notional)
        charges = self.known_charges.get(key)
        if charges is None:
            card = self.rate_cards.for_date(date.fromisoformat(order.trade_date))
            charges = self.known_charges[key] = card.delivery(order.side, notional)
        return charges

    def _charges_of(self, order: Order) -> TotalCharges:
        return lambda notional: self._charges(order, notional).total

    def _balance(self, user_id: UUID, account: Account, asset: str) -> Balance:
        return self.balances.setdefault((user_id, account, asset), Balance())

    def _touch(self, user_id: UUID, account: Account, asset: str) -> Balance:
        self.changes.balances.add((user_id, account, asset))
        return self._balance(user_id, account, asset)

    def _place_hold(self, order: Order) -> Json:
        key = (order.user_id, order.order_id)
        account, asset = hold_account(order)
        amount = worst_case(order, self._charges_of(order))
        self.holds[key] = Hold(order.user_id, order.order_id, order.order_id, account, asset, amount)
        self.changes.holds.add(key)
        self._touch(order.user_id, account, asset).held += amount
        return {"account": account.value, "asset": asset, "held": amount}

    def _capture(self, order: Order, amount: int) -> None:
        key = (order.user_id, order.order_id)
        hold = self.holds[key]
        hold.captured += amount
        self.changes.holds.add(key)
        self._touch(order.user_id, hold.account, hold.asset).held -= amount

    def _trim_hold(self, order: Order) -> Json:
        """Release what the worst case no longer needs; everything once the order has ended."""
        key = (order.user_id, order.order_id)
        hold = self.holds.get(key)
        if hold is None:
            return {}
        excess = hold.open - worst_case(order, self._charges_of(order))
        assert excess >= 0, "a hold always covers the worst case of what is left"
        if excess == 0:
            return {}
        hold.released += excess
        self.changes.holds.add(key)
        self._touch(order.user_id, hold.account, hold.asset).held -= excess
        return {"released": excess}

    def _book_fill(self, order: Order, fill: Filled) -> tuple[Order, Json]:
        value = fill.quantity * fill.price
        total = self._charges(order, order.notional)
        before = self._charges(order, order.notional - value)
        charges = {name: amount - before.components[name] for name, amount in total.components.items()}
        order = changed(order, charges=total.total)
        spent = total.total - before.total
        self._capture(order, value + spent if order.side is Side.BUY else fill.quantity)
        entry_id = uuid5(order.order_id, f"{fill.venue}/{fill.trade_date}/{fill.exec_id}")
        self._transfer_fill(order, entry_id, fill.quantity, value)
        self._transfer_charges(order, entry_id, {p: a - before.by_payee[p] for p, a in total.by_payee.items()})
        self._add_to_position(order, fill, value, spent)
        self.executions.add((fill.venue, fill.trade_date, fill.exec_id))
        trade = Trade(order, fill, charges)
        self.changes.trades.append(trade)
        self._tell(order.user_id, "trade", published_trade(trade))
        return order, {"captured": value + spent if order.side is Side.BUY else fill.quantity, "charges": spent}

    def _transfer_fill(self, order: Order, entry_id: UUID, quantity: int, value: int) -> None:
        shares = order.instrument_id
        if order.side is Side.BUY:
            self._transfer(order, entry_id, Account.CASH, Account.CLEARING, INR, value, "buy value")
            self._transfer(order, entry_id, Account.CLEARING, Account.UNSETTLED_SHARES, shares, quantity, "bought")
        else:
            self._transfer(order, entry_id, Account.HOLDINGS, Account.CLEARING, shares, quantity, "sold")
            self._transfer(order, entry_id, Account.CLEARING, Account.UNSETTLED_CASH, INR, value, "sale value")

    def _transfer_charges(self, order: Order, entry_id: UUID, by_payee: dict[str, int]) -> None:
        payer = Account.CASH if order.side is Side.BUY else Account.UNSETTLED_CASH
        for payee, amount in by_payee.items():
            self._transfer(order, entry_id, payer, PAYEES[payee], INR, amount, "charges")

    def _transfer(
        self, order: Order, entry_id: UUID, debit: Account, credit: Account, asset: str, amount: int, reason: str
    ) -> None:
        if amount == 0:
            return
        self.changes.transfers.append(
            Transfer(order.user_id, entry_id, debit, credit, asset, amount, reason, order.order_id)
        )
        for account, change in ((debit, -amount), (credit, amount)):
            if account.value.startswith("client."):
                self._touch(order.user_id, account, asset).balance += change

    def _add_to_position(self, order: Order, fill: Filled, value: int, charges: int) -> None:
        change = self.changes.positions.setdefault((order.user_id, order.instrument_id), PositionChange())
        if order.side is Side.BUY:
            change.buy_quantity += fill.quantity
            change.buy_value += value
        else:
            change.sell_quantity += fill.quantity
            change.sell_value += value
        change.charges += charges


def describe(event: Event) -> Json:
    """What an order's history tells of an event, as JSON values."""
    return {name: _json(value) for name in event.__slots__ if (value := getattr(event, name)) is not None}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return wire_time(value)
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, UUID):
        return str(value)
    return {name: _json(getattr(value, name)) for name in value.__slots__}


def published_trade(trade: Trade) -> Json:
    """The trade of the HTTP contract."""
    order, fill = trade.order, trade.fill
    return {
        "trade_id": f"{fill.venue}/{fill.trade_date}/{fill.exec_id}",
        "order_id": str(order.order_id),
        "user_id": str(order.user_id),
        "instrument_id": order.instrument_id,
        "side": order.side.value,
        "quantity": fill.quantity,
        "price": format_rupees(fill.price),
        "value": format_rupees(fill.quantity * fill.price),
        "charges": {name: format_rupees(amount) for name, amount in trade.charges.items()},
        "trade_date": fill.trade_date,
        "executed_at": wire_time(fill.executed_at),
    }
