"""The books in PostgreSQL: lock the users, load in one round trip, run the work, write in another.

Rows go over as one JSON text per statement and are written sorted by key, so two writers can never
wait for each other in a circle; what still collides is run again unseen.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection, AsyncCursor
from uuid_utils.compat import uuid7

from shared.adapters.postgres.database import Database, LockedError
from shared.adapters.postgres.effects import effect_rows
from shared.adapters.postgres.fills import asked_orders, fill_rows, read_costs, read_executions, restated_rows
from shared.adapters.postgres.positions import load_positions
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.retention import oldest_kept_answer
from shared.adapters.postgres.rows import Row, moving_row, new_row, order_from_row
from shared.contracts.exchange_requests import messages
from shared.contracts.published import event_detail, event_name, published_effect
from shared.domain.charges.rate_cards import RateCards
from shared.domain.ledger.accounts import CLIENT_ACCOUNTS, INR, Account, AssetKey, BalanceKey
from shared.domain.ledger.books import Books
from shared.domain.ledger.changes import Effect, OrderEvent
from shared.domain.ledger.entries import EntryKey
from shared.domain.ledger.holds import Balance, Hold, HoldKey, HoldPurpose, HoldSource, holds_of
from shared.domain.orders.order import Order, OrderKey, Owner
from shared.domain.orders.terms import Product
from shared.domain.positions import PositionKey, position_of
from shared.domain.products import POLICIES
from shared.domain.products.product import ProductPolicy
from shared.ports.books import (
    Committed,
    NewOrder,
    OrderRecordsOfUnit,
    SagaStep,
    Scope,
    StoredAnswer,
    Unit,
    UsersBusyError,
)
from shared.ports.outbox import ExchangeMessage, PublishedEffect

_SQL = load("books.sql")
# Whose orders the sweep and the reconciliation find by their deadlines; the others are found by queue and saga.
_WATCHED_OWNERS: Final = frozenset({Owner.VENUE, Owner.RECOVERY, Owner.OPERATIONS})
_CLIENT_ACCOUNTS: Final = sorted(account.value for account in CLIENT_ACCOUNTS)
type Rows = Mapping[str, list[tuple[Any, ...]]]
type Cursors = dict[str, AsyncCursor[Any]]


@dataclass(frozen=True, slots=True)
class _Before:
    """What is on record before the work: the others of its rows are new."""

    orders: Mapping[OrderKey, Order]
    balances: Collection[BalanceKey]
    holds: Collection[HoldKey]

    @classmethod
    def of(cls, books: Books) -> "_Before":
        holds = frozenset(hold.key for of_purpose in books.holds.values() for hold in of_purpose)
        return cls(dict(books.orders), frozenset(books.balances), holds)


class PostgresBooks:
    """`BookStore` on PostgreSQL."""

    def __init__(
        self, database: Database, rate_cards: RateCards, policies: Mapping[Product, ProductPolicy] = POLICIES
    ) -> None:
        self._database = database
        self._rate_cards = rate_cards
        self._policies = policies
        self._keeping_positions = {product for product, policy in policies.items() if policy.keeps_position}

    async def work[T](self, scope: Scope, work: Callable[[Unit], T], *, brief: bool = False) -> tuple[T, Committed]:
        """See `BookStore.work`."""
        try:
            return await self._work(scope, work, brief=brief)
        except LockedError as error:
            if not brief:
                raise
            busy = await self._busy(_users(scope))
            if busy:
                raise UsersBusyError(busy) from error
        # The lock's holder has released it.
        return await self._work(scope, work, brief=False)

    async def _busy(self, users: Sequence[UUID]) -> set[UUID]:
        async with self._database.transaction() as connection:
            free = await connection.execute(_SQL["lock_free_users"], {"users": users})
            return set(users).difference(row[0] for row in await free.fetchall())

    async def _work[T](self, scope: Scope, work: Callable[[Unit], T], *, brief: bool) -> tuple[T, Committed]:
        async def transaction() -> tuple[T, Committed]:
            async with self._database.transaction() as connection:
                if brief:
                    await connection.execute(_SQL["wait_briefly"])
                unit = await self._load(connection, scope)
                before = _Before.of(unit.books)
                result = work(unit)
                unit.books.publish_balances()
                return result, await _write(connection, unit, before)

        return await self._database.retrying(transaction)

    async def _load(self, connection: AsyncConnection, scope: Scope) -> Unit:
        cursors = await _ask(connection, scope)
        rows = {name: await cursor.fetchall() for name, cursor in cursors.items()}
        found = (*rows.get("load_orders", ()), *rows.get("load_orders_and_costs", ()))
        orders = {OrderKey(row[0], row[1]): order_from_row(row) for row in found}
        positions = await self._positions(connection, orders.values())
        purposes = {holds_of(position) for position in positions}
        if purposes:
            # Another round trip, for products that keep positions: which they are is known only now.
            rows["load_holds"] += await _fetch_holds(connection, purposes)
        on_record = {EntryKey(*row) for row in rows.get("load_entries", ())}
        books = Books(
            at=datetime.now(UTC),
            rate_cards=self._rate_cards,
            sequences=dict(rows["lock_users"]),
            orders=orders,
            assets=set(scope.assets).union(*(_assets(order) for order in orders.values())),
            balances=_balances(rows),
            holds=_holds(_hold_purposes(scope) | purposes, rows),
            entries={key: key in on_record for key in scope.entries},
            executions=read_executions(rows.get("load_orders_and_costs", ())),
            positions=dict(positions),
            costs=read_costs(rows.get("load_orders_and_costs", ()), rows.get("load_costs", ())),
            policies=self._policies,
        )
        known = OrderRecordsOfUnit(
            answers={
                (user, key): StoredAnswer(order, bytes(mark), status, body)
                for user, key, order, mark, status, body in rows.get("load_answers", ())
            },
            client_order_ids={(user, name): order for user, name, order in rows.get("load_client_order_ids", ())},
        )
        return Unit(books, known)

    async def _positions(self, connection: AsyncConnection, orders: Iterable[Order]) -> Mapping[PositionKey, int]:
        kept = {position_of(order) for order in orders if order.terms.product in self._keeping_positions}
        return await load_positions(connection, kept) if kept else {}


async def _fetch_holds(connection: AsyncConnection, purposes: Collection[HoldPurpose]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(_SQL["load_holds"], {"purposes": _keys(purposes)})).fetchall()


def _users(scope: Scope) -> list[UUID]:
    """Everybody whose rows may change: locked in this order."""
    users = {entry.user_id for entry in scope.entries if entry.user_id is not None}
    for keys in (scope.orders, scope.claims, scope.assets, scope.hold_purposes):
        users.update(key.user_id for key in keys)
    return sorted(users.union(scope.users))


def _hold_purposes(scope: Scope) -> set[HoldPurpose]:
    of_orders = {HoldPurpose(key.user_id, HoldSource.ORDER, key.order_id) for key in scope.orders}
    return of_orders.union(scope.hold_purposes)


def _assets(order: Order) -> tuple[AssetKey, AssetKey]:
    return AssetKey(order.user_id, INR), AssetKey(order.user_id, order.terms.security_id)


def _balances(rows: Rows) -> dict[BalanceKey, Balance]:
    found = (*rows.get("load_balances_of_orders", ()), *rows.get("load_balances", ()))
    return {
        BalanceKey(user, Account(account), asset): Balance(balance, held)
        for user, asset, account, balance, held in found
        if account is not None
    }


def _holds(purposes: Iterable[HoldPurpose], rows: Rows) -> dict[HoldPurpose, list[Hold]]:
    holds: dict[HoldPurpose, list[Hold]] = {purpose: [] for purpose in purposes}
    for user, source, source_id, request_id, account, *amounts in rows.get("load_holds", ()):
        key = HoldKey(user, HoldSource(source), source_id, request_id)
        holds[key.purpose].append(Hold(key, Account(account), *amounts))
    for of_purpose in holds.values():
        of_purpose.sort(key=lambda hold: (hold.key.request_id != hold.key.source_id, hold.key.request_id))
    return holds


async def _ask(connection: AsyncConnection, scope: Scope) -> Cursors:
    """Send every question of the scope in one round trip; the locks come first."""
    cursors: Cursors = {"lock_users": await connection.execute(_SQL["lock_users"], {"users": _users(scope)})}
    for name, parameters in _questions(scope):
        cursors[name] = await connection.execute(_SQL[name], parameters)
    return cursors


def _questions(scope: Scope) -> Iterator[tuple[str, dict[str, Any]]]:
    if scope.orders:
        keys = {"keys": _keys(scope.orders), "accounts": _CLIENT_ACCOUNTS}
        if scope.fills:
            yield "load_orders_and_costs", {"keys": _text(asked_orders(scope))}
        else:
            yield "load_orders", keys
        yield "load_balances_of_orders", keys
    if scope.orders or scope.hold_purposes:
        yield "load_holds", {"purposes": _keys(_hold_purposes(scope))}
    if scope.assets:
        yield "load_balances", {"keys": _keys(scope.assets), "accounts": _CLIENT_ACCOUNTS}
    if scope.entries:
        yield "load_entries", {"keys": _text(key._asdict() for key in scope.entries)}
        yield "load_costs", {"keys": _keys([key for key in scope.assets if key.asset != INR])}
    if scope.claims:
        claims = {"claims": _text(_slots(claim) for claim in scope.claims), "since": oldest_kept_answer()}
        yield "load_answers", claims
        yield "load_client_order_ids", claims


def _keys(keys: Collection[Any]) -> str:
    return _text(key._asdict() for key in sorted(keys))


async def _write(connection: AsyncConnection, unit: Unit, before: _Before) -> Committed:
    """Write what changed; returns what leaves with the commit."""
    at = unit.books.at
    effects = [_published(effect) for effect in unit.books.changes.effects]
    outbox = [ExchangeMessage(*each) for each in messages(unit.books.changes.requests)]
    changed = effect_rows(unit.books.changes.effects)
    for name, rows in (_deadlines(unit.books, before) | _statements(unit, before, changed, outbox)).items():
        if rows:
            await connection.execute(_SQL[name], {"rows": _text(rows), "at": at})
    fills = fill_rows(unit.books)
    if any(fills.values()):
        await connection.execute(_SQL["write_fills"], {name: _text(rows) for name, rows in fills.items()} | {"at": at})
    answered = await _count_answered(connection, unit.books)
    effects_of = [await _leave_effects(connection, changed, at)] if changed else []
    return Committed(effects, outbox, answered, effects_of, _last_sequences(unit.books))


async def _count_answered(connection: AsyncConnection, books: Books) -> list[UUID]:
    """The sagas whose last open order was answered."""
    if not books.changes.answered:
        return []
    rows = [{"saga_id": saga_id, "orders": count} for saga_id, count in sorted(books.changes.answered.items())]
    cursor = await connection.execute(_SQL["count_answered"], {"rows": _text(rows), "at": books.at})
    return [row[0] for row in await cursor.fetchall()]


async def _leave_effects(connection: AsyncConnection, changed: Sequence[Row], at: datetime) -> UUID:
    """Write which rows of effects wait to be published; returns the commit's id."""
    commit_id = uuid7()
    named = {"users": [row["user_id"] for row in changed], "sequences": [row["sequence"] for row in changed]}
    await connection.execute(_SQL["insert_effects_outbox"], {"commit_id": commit_id, "at": at} | named)
    return commit_id


def _published(effect: Effect) -> PublishedEffect:
    return PublishedEffect(effect.user_id, effect.sequence, *published_effect(effect.user_id, effect.fact))


def _deadlines(books: Books, before: _Before) -> dict[str, list[Row]]:
    """Which deadlines are watched no longer, and which from now on."""
    keys = sorted(key for key in books.changes.orders if key in before.orders)
    watched = [(_watched(before.orders[key]), _watched(books.orders[key])) for key in keys]
    return {
        "remove_deadlines": [old for old, new in watched if old is not None and old != new],
        "insert_deadlines": [new for old, new in watched if new is not None and old != new],
    }


def _watched(order: Order) -> Row | None:
    if order.deadline is None or order.owner not in _WATCHED_OWNERS:
        return None
    return {"deadline": order.deadline, "user_id": order.user_id, "order_id": order.order_id}


def _statements(
    unit: Unit, before: _Before, changed: list[Row], outbox: Iterable[ExchangeMessage]
) -> dict[str, list[Row]]:
    """Rows by statement, in the order of writing."""
    books, changes, orders = unit.books, unit.books.changes, unit.orders
    new = {new.order.key for new in orders.new}
    balances, holds = sorted(changes.balances), sorted(changes.holds)
    return {
        "write_users": _sequences(books),
        "insert_orders": [new_row(new.order) for new in _by_id(unit.orders.new)],
        "insert_answers": [_answer(new) for new in _by_id(unit.orders.new) if new.idempotency_key is not None],
        "enqueue_orders": _waiting(unit),
        "update_orders": [moving_row(books.orders[key]) for key in sorted(changes.orders - new)],
        "insert_events": [_event(line) for line in changes.events],
        "update_accounts": [_balance(books, key) for key in balances if key in before.balances],
        "insert_accounts": [_balance(books, key) for key in balances if key not in before.balances],
        "update_holds": [_hold(changes.holds[key]) for key in holds if key in before.holds],
        "insert_holds": [_hold(changes.holds[key]) for key in holds if key not in before.holds],
        "insert_transfers": [_slots(transfer) for transfer in changes.transfers],
        "restate_trades": restated_rows(books),
        "insert_effects": changed,
        "insert_steps": _steps(unit.sagas.steps),
        "insert_outbox": [_slots(message) for message in outbox],
        "insert_parked": [_slots(report) | {"fingerprint": report.fingerprint.hex()} for report in orders.parked],
        "insert_doubts": [_slots(doubt) for doubt in orders.doubts],
        "settle_doubts": [_slots(settled) for settled in orders.doubts_settled],
        "close_doubts": [key._asdict() for key in sorted(changes.doubts_ended)],
        "count_submitted": [{"saga_id": s, "orders": count} for s, count in sorted(unit.sagas.submitted.items())],
    }


def _sequences(books: Books) -> list[Row]:
    touched = {effect.user_id for effect in books.changes.effects}
    return [{"user_id": user, "next_sequence": books.sequences[user]} for user in sorted(touched)]


def _last_sequences(books: Books) -> dict[UUID, int]:
    return {user_id: following - 1 for user_id, following in books.sequences.items()}


def _by_id(new_orders: Iterable[NewOrder]) -> list[NewOrder]:
    return sorted(new_orders, key=lambda new: new.order.order_id)


def _answer(new: NewOrder) -> Row:
    return new.order.key._asdict() | {
        "idempotency_key": new.idempotency_key,
        "fingerprint": new.answer.fingerprint.hex(),
        "answer_status": new.answer.status,
        "answer_body": new.answer.body,
    }


def _waiting(unit: Unit) -> list[Row]:
    # In order of arrival: that is the order in which sagas take them.
    waiting = [new.order for new in unit.orders.new if not new.order.terminal]
    return [order.key._asdict() | {"accepted_at": order.accepted_at} for order in waiting]


def _event(line: OrderEvent) -> Row:
    return {
        "user_id": line.user_id,
        "order_id": line.order_id,
        "revision": line.revision,
        "version": line.version,
        "event": event_name(line),
        "state": line.state,
        "detail": event_detail(line),
    }


def _balance(books: Books, key: BalanceKey) -> Row:
    return key._asdict() | _slots(books.balances[key])


def _steps(steps: Iterable[SagaStep]) -> list[Row]:
    """One row for all orders to which a step of a saga did the same."""
    orders: dict[tuple[UUID, str, str, str], list[UUID]] = {}
    for step in steps:
        outcome = f"{step.outcome}: {step.reject_code}" if step.reject_code else step.outcome
        orders.setdefault((step.saga_id, step.step, outcome, step.detail), []).append(step.order_id)
    names = ("saga_id", "step", "outcome", "detail")
    return [dict(zip(names, what, strict=True)) | {"orders": sorted(ids)} for what, ids in orders.items()]


def _hold(hold: Hold) -> Row:
    amounts = {"amount": hold.amount, "captured": hold.captured, "released": hold.released}
    return hold.key._asdict() | {"account": hold.account, "asset": hold.asset} | amounts


def _slots(value: Any) -> Row:
    names: tuple[str, ...] = value.__slots__
    return dict(zip(names, _reader(names)(value), strict=True))


@cache
def _reader(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*names)


def _text(rows: Iterable[Row]) -> str:
    return orjson.dumps(list(rows), default=_plain).decode()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")
