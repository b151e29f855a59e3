"""`BookStore` in memory: the same `Books`, loaded from copies, so that work which fails leaves no trace."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from shared.contracts.exchange_requests import messages
from shared.contracts.published import event_detail, event_name, published_effect
from shared.domain.errors import UnavailableError
from shared.domain.ledger.accounts import INR, AssetKey
from shared.domain.ledger.books import Books
from shared.domain.ledger.changes import Changes, ExecutionKey, OrderEvent
from shared.domain.ledger.holds import Hold, HoldPurpose, HoldSource, holds_of
from shared.domain.lots import SecurityCost
from shared.domain.orders.order import Order, OrderKey, State
from shared.domain.orders.terms import Product, Side
from shared.domain.positions import PositionKey, position_of
from shared.domain.products import POLICIES
from shared.domain.products.product import ProductPolicy
from shared.domain.times import wire_time
from shared.json_values import Json
from shared.ports.books import Committed, OrderRecordsOfUnit, Scope, ScopedFill, Unit, UsersBusyError
from shared.ports.notifications import StoredEffect
from shared.ports.outbox import ExchangeMessage, PublishedEffect
from tests.fakes.memory import Leaving, Memory


class MemoryBooks:
    """`BookStore` on `Memory`."""

    def __init__(self, memory: Memory, policies: Mapping[Product, ProductPolicy] = POLICIES) -> None:
        self._memory = memory
        self._policies = policies

    async def work[T](self, scope: Scope, work: Callable[[Unit], T], *, brief: bool = False) -> tuple[T, Committed]:
        busy = self._memory.locked.intersection(_users(scope))
        if busy and brief:
            raise UsersBusyError(busy)
        if busy:
            raise UnavailableError("A user's row is locked", retry_after_s=1)
        unit = self._load(scope)
        result = work(unit)
        unit.books.publish_balances()
        return result, self._write(unit)

    def _load(self, scope: Scope) -> Unit:
        memory = self._memory
        orders = {key: memory.orders[key] for key in scope.orders if key in memory.orders}
        assets = set(scope.assets)
        for key, order in orders.items():
            assets |= {AssetKey(key.user_id, INR), AssetKey(key.user_id, order.terms.security_id)}
        purposes = {HoldPurpose(key.user_id, HoldSource.ORDER, key.order_id) for key in scope.orders}
        positions = self._positions(orders.values())
        purposes |= {holds_of(position) for position in positions}
        books = Books(
            at=datetime.now(UTC),
            rate_cards=memory.rate_cards,
            sequences=dict(memory.sequences),
            orders=orders,
            assets=assets,
            balances={
                key: replace(balance)
                for key, balance in memory.balances.items()
                if AssetKey(key.user_id, key.asset) in assets
            },
            holds={purpose: self._holds(purpose) for purpose in purposes.union(scope.hold_purposes)},
            entries={key: key in memory.entries for key in scope.entries},
            positions=positions,
            policies=self._policies,
            executions={_execution(fill) for fill in scope.fills}.intersection(memory.trades),
            costs={key: deepcopy(memory.costs.get(key, SecurityCost())) for key in _costs(scope, orders)},
        )
        return Unit(books, self._known(scope))

    def _positions(self, orders: Iterable[Order]) -> dict[PositionKey, int]:
        keeping = {product for product, policy in self._policies.items() if policy.keeps_position}
        nets = {position_of(order): 0 for order in orders if order.terms.product in keeping}
        for trade in self._memory.trades.values():
            key = position_of(trade.order)
            if key in nets:
                nets[key] += trade.fill.quantity if trade.order.terms.side is Side.BUY else -trade.fill.quantity
        return nets

    def _holds(self, purpose: HoldPurpose) -> list[Hold]:
        found = [replace(hold) for hold in self._memory.holds.values() if hold.key.purpose == purpose]
        return sorted(found, key=lambda hold: (hold.key.request_id != hold.key.source_id, hold.key.request_id))

    def _known(self, scope: Scope) -> OrderRecordsOfUnit:
        asked = {(claim.user_id, claim.idempotency_key) for claim in scope.claims}
        names = {(claim.user_id, claim.client_order_id) for claim in scope.claims}
        on_record = {(key.user_id, order.client_order_id): key.order_id for key, order in self._memory.orders.items()}
        return OrderRecordsOfUnit(
            answers={key: answer for key, answer in self._memory.answers.items() if key in asked},
            client_order_ids={(u, n): on_record[u, n] for u, n in names if n is not None and (u, n) in on_record},
        )

    def _write(self, unit: Unit) -> Committed:
        books, changes, at = unit.books, unit.books.changes, unit.books.at
        for key in changes.balances:
            if not 0 <= books.balances[key].held <= books.balances[key].balance:
                raise ValueError(f"available_is_never_negative: {key}")
        self._write_orders(unit)
        self._write_ledger(books, changes)
        self._write_records(unit)
        effects = [
            PublishedEffect(each.user_id, each.sequence, *published_effect(each.user_id, each.fact))
            for each in changes.effects
        ]
        for each in effects:
            stored = StoredEffect(each.sequence, each.kind, each.payload, at)
            self._memory.effects.setdefault(each.user_id, []).append(stored)
        self._memory.sequences.update({each.user_id: books.sequences[each.user_id] for each in effects})
        outbox = [ExchangeMessage(*each) for each in messages(changes.requests)]
        for message in outbox:
            self._memory.messages.setdefault(message.message_id, Leaving(message, at))
        commit = uuid4()
        if effects:
            self._memory.commits[commit] = Leaving(effects, at)
        sequences = {user: following - 1 for user, following in books.sequences.items()}
        return Committed(effects, outbox, self._count_answered(changes, at), [commit] if effects else [], sequences)

    def _write_orders(self, unit: Unit) -> None:
        memory = self._memory
        memory.orders.update({key: unit.books.orders[key] for key in unit.books.changes.orders})
        for new in unit.orders.new:
            memory.orders[new.order.key] = new.order
            if new.idempotency_key is not None:
                memory.answers[new.order.user_id, new.idempotency_key] = new.answer
            if not new.order.terminal:
                memory.waiting.append(new.order.key)
        for line in unit.books.changes.events:
            memory.history.setdefault(OrderKey(line.user_id, line.order_id), []).append(_line(line, unit.books.at))

    def _write_ledger(self, books: Books, changes: Changes) -> None:
        memory = self._memory
        memory.balances.update({key: replace(books.balances[key]) for key in changes.balances})
        memory.holds.update({key: replace(hold) for key, hold in changes.holds.items()})
        memory.entries |= changes.entries
        memory.transfers += changes.transfers
        memory.trades.update({trade.key: trade for trade in changes.trades})
        memory.costs.update({key: books.costs[key] for key in changes.costs})

    def _write_records(self, unit: Unit) -> None:
        memory = self._memory
        for report in unit.orders.parked:
            memory.parked.setdefault(report.fingerprint, report)
        memory.doubts.update({OrderKey(doubt.user_id, doubt.order_id): doubt for doubt in unit.orders.doubts})
        for settled in unit.orders.doubts_settled:
            memory.settled[OrderKey(settled.user_id, settled.order_id)] = settled
        for key in unit.books.changes.doubts_ended:
            memory.settled.setdefault(key, None)
        for step in unit.sagas.steps:
            memory.note(step)
        for saga_id, count in unit.sagas.submitted.items():
            memory.sagas[saga_id].unanswered = (memory.sagas[saga_id].unanswered or 0) + count

    def _count_answered(self, changes: Changes, at: datetime) -> list[UUID]:
        memory, answered = self._memory, list[UUID]()
        for saga_id, count in sorted(changes.answered.items()):
            saga = memory.sagas.get(saga_id)
            if saga is None or saga.unanswered is None:
                continue
            saga.unanswered -= count
            waits = any(memory.orders[key].state in {State.ACCEPTED, State.HELD} for key in saga.members)
            if saga.unanswered == 0 and not saga.finished and not waits and saga_id not in memory.signals:
                memory.signals[saga_id] = Leaving(saga_id, at)
                answered.append(saga_id)
        return answered


def _costs(scope: Scope, orders: Mapping[OrderKey, Order]) -> set[AssetKey]:
    filled = {OrderKey(fill.user_id, fill.order_id) for fill in scope.fills}
    costs = {AssetKey(key.user_id, order.terms.security_id) for key, order in orders.items() if key in filled}
    return costs.union(scope.assets if scope.entries else ())


def _execution(fill: ScopedFill) -> ExecutionKey:
    return ExecutionKey(fill.venue, fill.trade_date, fill.exec_id)


def _users(scope: Scope) -> set[UUID]:
    entries = {entry.user_id for entry in scope.entries if entry.user_id is not None}
    keys = (*scope.orders, *scope.claims, *scope.assets, *scope.hold_purposes)
    return entries.union(scope.users, (key.user_id for key in keys))


def _line(line: OrderEvent, at: datetime) -> Json:
    return {
        "revision": line.revision,
        "version": line.version,
        "event": event_name(line),
        "state": line.state,
        "detail": event_detail(line),
        "at": wire_time(at),
    }
