"""The books of some users while their rows are locked: orders, holds, balances and what changed.

Everything that moves an order or money goes through `Books`: an order's events by `submit`, one at a time in order of
arrival, everything else by `post`. An adapter loads the books, runs a plain function on them and writes what changed
in one transaction, so a batch equals its orders one by one, by construction.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import Final
from uuid import UUID, uuid5

from shared.domain.charges.charge import Charges
from shared.domain.charges.rate_cards import RateCards
from shared.domain.ledger.accounts import AssetKey, BalanceKey
from shared.domain.ledger.changes import (
    BalanceNow,
    BalancesChanged,
    Booked,
    Changes,
    Effect,
    ExecutionKey,
    Fact,
    OrderChanged,
    OrderEvent,
    Trade,
    Traded,
    Verdict,
)
from shared.domain.ledger.entries import Entry, EntryKey, EntrySource, Leg, Transfer
from shared.domain.ledger.holds import Balance, Hold, HoldChange, HoldKey, HoldPurpose, HoldSource, holds_of
from shared.domain.lots import THE_BEGINNING, Moment, SecurityCost
from shared.domain.orders.events import Event, Filled, FundsHeld, Refused, Repeated
from shared.domain.orders.order import Order, OrderKey, changed
from shared.domain.orders.requests import ExchangeRequest, request_of
from shared.domain.orders.terms import Product, Side, Terms
from shared.domain.orders.transitions import apply
from shared.domain.positions import PositionChange, PositionKey
from shared.domain.products import POLICIES
from shared.domain.products.product import Fill, HoldAccount, Position, ProductPolicy

_NOTHING: Final = Booked()


class UnloadedError(LookupError):
    """A unit of work touches an account, entry, hold or cost that its scope does not name: writing it would overwrite
    what is there."""


class OverdrawnError(ValueError):
    """An entry takes more from an account than nothing holds; nothing was changed."""


@dataclass(slots=True)
class Books:
    """Loaded rows of the locked users; `at` is the instant of the transaction.

    `assets`, `entries` and the keys of `holds`, `positions` and `costs` say what was looked for: what is not among them
    is unknown, not absent.
    """

    at: datetime
    rate_cards: RateCards
    sequences: dict[UUID, int]
    orders: dict[OrderKey, Order] = field(default_factory=dict)
    assets: set[AssetKey] = field(default_factory=set)
    balances: dict[BalanceKey, Balance] = field(default_factory=dict)
    holds: dict[HoldPurpose, list[Hold]] = field(default_factory=dict)
    """An order's first hold comes first."""
    entries: dict[EntryKey, bool] = field(default_factory=dict)
    """Whether an entry of the scope is on record."""
    executions: set[ExecutionKey] = field(default_factory=set)
    positions: dict[PositionKey, int] = field(default_factory=dict)
    """What was bought minus what was sold, for products that keep positions."""
    costs: dict[AssetKey, SecurityCost] = field(default_factory=dict)
    """What each security cost, with the trades that the scope can put in their places."""
    changes: Changes = field(default_factory=Changes)
    policies: Mapping[Product, ProductPolicy] = field(default_factory=lambda: POLICIES, repr=False, compare=False)
    known_charges: dict[tuple[object, ...], Charges] = field(default_factory=dict, repr=False, compare=False)
    """What was computed already in this unit: an order's hold and its fills ask for the same sums."""

    # --- orders -------------------------------------------------------------------------------------------

    def open_order(self, order: Order) -> None:
        """Put a new order on record, accepted or refused."""
        self.orders[order.key] = order
        self.holds[_purpose_of(order)] = []
        self._record(order, Verdict(accepted=not order.terminal), _NOTHING)
        self._publish(order.user_id, OrderChanged(order))

    def reserve(self, key: OrderKey, held: FundsHeld, refusal: Callable[[int, int], Refused]) -> Order:
        """Hold the order's worst case, or refuse the order with `refusal(required, available)`."""
        order = self.orders[key]
        account, asset = self.hold_account(order)
        required = self._worst_case(order)
        available = self._balance(BalanceKey(order.user_id, account, asset)).available
        if available < required and not order.terminal and not self._holds(_purpose_of(order)):
            return self.submit(key, refusal(required, available))
        return self.submit(key, held)

    def submit(self, key: OrderKey, event: Event) -> Order:
        """Apply one event; returns the order, the very same object when nothing changed.

        Raises IllegalTransitionError and changes nothing when the event contradicts the order; UnloadedError for a fill
        that the scope does not name.
        """
        before = self.orders[key]
        if isinstance(event, Filled) and ExecutionKey(event.venue, event.trade_date, event.exec_id) in self.executions:
            if event.report_sequence is None:
                return before
            event = Repeated(event.report_sequence, event.deadlines)
        after = apply(before, event, self.at)
        if after is before:
            return before
        booked = _NOTHING
        if isinstance(event, FundsHeld):
            booked = self._place_hold(after)
        if isinstance(event, Filled):
            after, booked = self._book_fill(after, event)
        if (after.leaves_quantity, after.notional) != (before.leaves_quantity, before.notional):
            booked = self._trim_holds(after, booked)
        self.orders[key] = after
        self._note(before, after)
        self._record(after, event, booked)
        if after.version != before.version:
            self._publish(after.user_id, OrderChanged(after))
        return after

    def ask(self, request: ExchangeRequest) -> None:
        """Send a request that no event sends: a question about an order."""
        self.changes.requests.append(request)

    def hold_account(self, order: Order) -> HoldAccount:
        """What the order's hold is taken from."""
        return self._policy(order.terms).hold_account(order.terms)

    def _note(self, before: Order, after: Order) -> None:
        if before.answered_at is None and after.answered_at is not None and after.saga_id is not None:
            self.changes.answered[after.saga_id] += 1
        if before.in_doubt and not after.in_doubt:
            self.changes.doubts_ended.add(after.key)
        request = request_of(before, after)
        if request is not None:
            self.changes.requests.append(request)

    def _record(self, order: Order, event: Event | Verdict, booked: Booked) -> None:
        self.changes.orders.add(order.key)
        line = OrderEvent(order.user_id, order.order_id, order.revision, order.version, event, order.state, booked)
        self.changes.events.append(line)

    def _policy(self, terms: Terms) -> ProductPolicy:
        return self.policies[terms.product]

    # --- entries without an order ---------------------------------------------------------------------------

    def post(self, entry: Entry) -> bool:
        """Post an entry once; False, and nothing changes, when it is on record already.

        Raises UnloadedError for an account or entry that the scope does not name, OverdrawnError.
        """
        if entry.key not in self.entries:
            raise UnloadedError(f"the scope does not name entry {entry.entry_id}")
        if self.entries[entry.key]:
            return False
        self._refuse_overdraft(entry)
        for leg in entry.legs:
            self._transfer(Transfer(entry.user_id, entry.entry_id, *leg, entry.source))
        for acquired in entry.acquisitions:
            assert entry.user_id is not None
            self._cost(AssetKey(entry.user_id, acquired.security_id), THE_BEGINNING).open(
                acquired.quantity, acquired.value
            )
        self.entries[entry.key] = True
        self.changes.entries.add(entry.key)
        return True

    def _refuse_overdraft(self, entry: Entry) -> None:
        if entry.user_id is None:
            return
        net: dict[BalanceKey, int] = {}
        for leg in entry.legs:
            for account, change in ((leg.debit, -leg.amount), (leg.credit, leg.amount)):
                if account.is_client:
                    key = BalanceKey(entry.user_id, account, leg.asset)
                    net[key] = net.get(key, 0) + change
        for key, change in net.items():
            available = self._balance(key).available
            if change < 0 and available + change < 0:
                raise OverdrawnError(f"{key.account} has {available} of {key.asset} available, {-change} is taken")

    # --- balances and holds -----------------------------------------------------------------------------------

    def _balance(self, key: BalanceKey) -> Balance:
        if AssetKey(key.user_id, key.asset) not in self.assets:
            raise UnloadedError(f"the scope does not name the accounts in {key.asset} of user {key.user_id}")
        return self.balances.setdefault(key, Balance())

    def _touch(self, key: BalanceKey) -> Balance:
        self.changes.balances.add(key)
        return self._balance(key)

    def _transfer(self, transfer: Transfer) -> None:
        self.changes.transfers.append(transfer)
        for account, change in ((transfer.debit, -transfer.amount), (transfer.credit, transfer.amount)):
            if account.is_client and transfer.user_id is not None:
                self._touch(BalanceKey(transfer.user_id, account, transfer.asset)).balance += change

    def change_hold(self, change: HoldChange) -> None:
        """Hold more, or release some of one hold. Raises UnloadedError for a hold that the scope does not name."""
        holds = self._holds(change.key.purpose)
        hold = next((hold for hold in holds if hold.key == change.key), None)
        if hold is None:
            hold = Hold(change.key, change.account, change.asset, 0)
            holds.append(hold)
        if change.change > 0:
            hold.amount += change.change
        else:
            assert hold.open >= -change.change, "a hold releases at most what is open"
            hold.released -= change.change
        self._touch_hold(hold).held += change.change

    def _touch_hold(self, hold: Hold) -> Balance:
        self.changes.holds[hold.key] = hold
        return self._touch(BalanceKey(hold.key.user_id, hold.account, hold.asset))

    def _holds(self, purpose: HoldPurpose) -> list[Hold]:
        """Everything that is held for the purpose."""
        if purpose not in self.holds:
            raise UnloadedError(f"the scope does not name the holds of {purpose.source} {purpose.source_id}")
        return self.holds[purpose]

    def _place_hold(self, order: Order) -> Booked:
        account, asset = self.hold_account(order)
        amount = self._worst_case(order)
        self.change_hold(HoldChange(HoldKey(*_purpose_of(order), order.order_id), account, asset, amount))
        return Booked(account, asset, held=amount)

    def _capture(self, order: Order, amount: int) -> None:
        for hold in self._holds(_purpose_of(order)):
            part = min(amount, hold.open)
            hold.captured += part
            amount -= part
            self._touch_hold(hold).held -= part
        assert amount == 0, "a fill captures at most what its order holds"

    def _trim_holds(self, order: Order, booked: Booked) -> Booked:
        """Release what the worst case no longer needs, the newest hold first; everything once the order has ended."""
        holds = self._holds(_purpose_of(order))
        if not holds:
            return booked
        is_open = sum(hold.open for hold in holds)
        released = excess = self._policy(order.terms).excess(is_open, self._worst_case(order))
        for hold in reversed(holds):
            part = min(excess, hold.open)
            if part:
                self.change_hold(HoldChange(hold.key, hold.account, hold.asset, -part))
                excess -= part
        if not released:
            return booked
        return Booked(booked.account, booked.asset, booked.held, booked.captured, booked.charges, released)

    # --- fills ---------------------------------------------------------------------------------------------

    def _charges(self, order: Order, notional: int) -> Charges:
        terms = order.terms
        key = (terms.segment, terms.product, terms.side, order.trade_date, notional)
        charges = self.known_charges.get(key)
        if charges is None:
            kind = self._policy(terms).charge_kind
            card = self.rate_cards.find(terms.segment, kind, date.fromisoformat(order.trade_date))
            charges = self.known_charges[key] = card.charges(terms.side, notional)
        return charges

    def _worst_case(self, order: Order) -> int:
        policy, leaves = self._policy(order.terms), order.leaves_quantity
        return policy.worst_case(order.terms, leaves, order.notional, lambda sum_: self._charges(order, sum_).total)

    def _book_fill(self, order: Order, event: Filled) -> tuple[Order, Booked]:
        value = event.quantity * event.price
        total, before = self._charges(order, order.notional), self._charges(order, order.notional - value)
        charges = {name.value: paise - before.components[name] for name, paise in total.components.items()}
        by_payee = {payee: paise - before.by_payee[payee] for payee, paise in total.by_payee.items()}
        order = changed(order, charges=total.total)
        spent = total.total - before.total
        policy, terms = self._policy(order.terms), order.terms
        key = PositionKey(order.user_id, event.trade_date, terms.instrument_id, terms.product)
        position = self._position(key) if policy.keeps_position else None
        fill = Fill(order.user_id, order.order_id, terms, event.quantity, value, spent, by_payee, position)
        booking = policy.book(fill)
        self._capture(order, booking.captured)
        entry_id = uuid5(order.order_id, f"{event.venue}/{event.trade_date}/{event.exec_id}")
        self._post_fill(order, entry_id, booking.legs)
        for hold_change in booking.holds:
            self.change_hold(hold_change)
        trade = Trade(order, event, charges)
        self._add_to_position(key, fill)
        if booking.delivers:
            cost = self._cost(AssetKey(order.user_id, order.terms.security_id), trade.place.moment)
            cost.add(trade.place, order.terms.side, event.quantity, event.price)
        self.executions.add(trade.key)
        self.changes.trades.append(trade)
        self._publish(order.user_id, Traded(trade))
        return order, Booked(captured=booking.captured, charges=spent)

    def _post_fill(self, order: Order, entry_id: UUID, legs: Iterable[Leg]) -> None:
        for leg in legs:
            self._transfer(Transfer(order.user_id, entry_id, *leg, EntrySource.ORDER, order.order_id))

    def _position(self, key: PositionKey) -> Position:
        if key not in self.positions:
            raise UnloadedError(f"the scope does not name the position in {key.instrument_id} of user {key.user_id}")
        purpose = holds_of(key)
        return Position(purpose, self.positions[key], tuple(self._holds(purpose)))

    def _add_to_position(self, key: PositionKey, fill: Fill) -> None:
        if key in self.positions:
            self.positions[key] += fill.quantity if fill.terms.side is Side.BUY else -fill.quantity
        change = self.changes.positions.setdefault(key, PositionChange())
        if fill.terms.side is Side.BUY:
            change.buy_quantity += fill.quantity
            change.buy_value += fill.value
        else:
            change.sell_quantity += fill.quantity
            change.sell_value += fill.value
        change.charges += fill.charges

    def _cost(self, key: AssetKey, moment: Moment) -> SecurityCost:
        """The cost that a trade of that moment, or an opening at the beginning, is about to change."""
        cost = self.costs.get(key)
        if cost is None or not cost.knows(moment):
            raise UnloadedError(
                f"the scope does not name the trades in {key.asset} of user {key.user_id} since {moment}"
            )
        self.changes.costs.add(key)
        return cost

    # --- what clients learn --------------------------------------------------------------------------------

    def _publish(self, user_id: UUID, fact: Fact) -> None:
        sequence = self.sequences[user_id]
        self.sequences[user_id] = sequence + 1
        self.changes.effects.append(Effect(user_id, sequence, fact))

    def publish_balances(self) -> None:
        """At the end of a unit of work: one fact a user, with every account that it leaves changed."""
        touched = sorted(self.changes.balances)
        for user_id, keys in groupby(touched, key=lambda key: key.user_id):
            now = [
                BalanceNow(key.account, key.asset, self.balances[key].balance, self.balances[key].held) for key in keys
            ]
            self._publish(user_id, BalancesChanged(tuple(now)))


def _purpose_of(order: Order) -> HoldPurpose:
    return HoldPurpose(order.user_id, HoldSource.ORDER, order.order_id)
