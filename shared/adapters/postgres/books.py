"""The books in PostgreSQL: lock the users, load in one round trip, run the work, write in another.

Rows go over as one JSON text per statement and are written sorted by key, so two writers can never
wait for each other in a circle; what still collides is run again unseen.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection, AsyncCursor
from uuid_utils.compat import uuid7

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.domain.books import Books, Changes, OrderKey
from shared.domain.charges import RateCards
from shared.domain.ledger import Account, Balance, Hold
from shared.domain.orders import (
    Order,
    OrderType,
    Owner,
    Product,
    Request,
    Side,
    State,
    TimeInForce,
)
from shared.ports.books import Committed, Scope, StoredAnswer, Unit

_SQL = load("books.sql")
_WAITING: Final = ("user_id", "order_id", "accepted_at")
# What an event can change, with the key; the rest of an order is written once.
_MOVING: Final = (
    *("user_id", "order_id", "updated_at", "state", "pending_request", "pending_request_id", "filled_quantity"),
    *("notional", "venue_quantity", "final_quantity", "final_state", "charges", "owner", "deadline", "in_doubt"),
    *("saga_id", "submitted_at", "expire_at", "answered_at", "exchange_order_id", "reject_code", "status_message"),
    "version",
)
# Whose orders the sweep and the reconciliation find by their deadlines; the others are found by queue and saga.
_WATCHED_OWNERS: Final = frozenset({Owner.VENUE, Owner.RECOVERY, Owner.OPERATIONS})
_waiting_values: Final = attrgetter(*_WAITING)
_moving_values: Final = attrgetter(*_MOVING)
type Row = dict[str, Any]
type Cursors = dict[str, AsyncCursor[Any]]
type Orders = Mapping[OrderKey, Order]


class PostgresBooks:
    """`BookStore` on PostgreSQL."""

    def __init__(self, database: Database, rate_cards: RateCards) -> None:
        self._database = database
        self._rate_cards = rate_cards

    async def work[T](self, scope: Scope, work: Callable[[Unit], T]) -> tuple[T, Committed]:
        """See `BookStore.work`."""

        async def transaction() -> tuple[T, Committed]:
            async with self._database.connection() as connection, connection.pipeline():
                unit = await self._load(connection, scope)
                before = dict(unit.books.orders)
                result = work(unit)
                answered = await _write(connection, unit, before)
                effects = unit.books.changes.effects
                effects_of = [await _leave_effects(connection, unit)] if effects else []
            return result, Committed(effects, unit.outbox, answered, effects_of)

        return await self._database.retrying(transaction)

    async def _load(self, connection: AsyncConnection, scope: Scope) -> Unit:
        users = sorted({user_id for user_id, _ in scope.orders} | set(scope.users) | {c.user_id for c in scope.claims})
        cursors = await _ask(connection, scope, users)
        rows = {name: await cursor.fetchall() for name, cursor in cursors.items()}
        books = Books(
            at=datetime.now(UTC),
            rate_cards=self._rate_cards,
            sequences=dict(rows["lock_users"]),
            orders={(row[0], row[1]): order_from_row(row) for row in rows.get("load_orders", ())},
            balances={(r[0], Account(r[1]), r[2]): Balance(r[3], r[4]) for r in rows.get("load_balances", ())},
            holds={(r[0], r[1]): _hold(r) for r in rows.get("load_holds", ())},
            executions=set(rows.get("load_executions", ())),
        )
        return Unit(
            books,
            answers={
                (user, key): StoredAnswer(order, bytes(mark), status, body)
                for user, key, order, mark, status, body in rows.get("load_answers", ())
            },
            client_order_ids={(user, name): order for user, name, order in rows.get("load_client_order_ids", ())},
        )


async def _ask(connection: AsyncConnection, scope: Scope, users: list[UUID]) -> Cursors:
    """Send every question of the scope in one round trip; the locks come first."""
    cursors: Cursors = {"lock_users": await connection.execute(_SQL["lock_users"], {"users": users})}
    if scope.orders:
        keys = _text({"user_id": user, "order_id": order} for user, order in sorted(scope.orders))
        for name in ("load_orders", "load_holds", "load_balances"):
            cursors[name] = await connection.execute(_SQL[name], {"keys": keys})
    if scope.executions:
        keys = _text({"venue": v, "trade_date": d, "exec_id": e} for v, d, e in sorted(scope.executions))
        cursors["load_executions"] = await connection.execute(_SQL["load_executions"], {"keys": keys})
    if scope.claims:
        claims = _text(
            {"user_id": c.user_id, "idempotency_key": c.idempotency_key, "client_order_id": c.client_order_id}
            for c in scope.claims
        )
        for name in ("load_answers", "load_client_order_ids"):
            cursors[name] = await connection.execute(_SQL[name], {"claims": claims})
    return cursors


async def _write(connection: AsyncConnection, unit: Unit, before: Orders) -> list[UUID]:
    """Write what changed; returns the sagas whose last open order was answered."""
    at = unit.books.at
    for name, rows in (_deadlines(unit.books, before) | _statements(unit)).items():
        if rows:
            await connection.execute(_SQL[name], {"rows": _text(rows), "at": at})
    answered = unit.books.changes.answered
    if not answered:
        return []
    rows = [{"saga_id": saga_id, "orders": count} for saga_id, count in sorted(answered.items())]
    cursor = await connection.execute(_SQL["count_answered"], {"rows": _text(rows), "at": at})
    return [row[0] for row in await cursor.fetchall()]


async def _leave_effects(connection: AsyncConnection, unit: Unit) -> UUID:
    """Write which effects wait to be told; returns the commit's id."""
    commit_id = uuid7()
    firsts: dict[UUID, int] = {}
    lasts: dict[UUID, int] = {}
    for effect in unit.books.changes.effects:
        firsts.setdefault(effect.user_id, effect.sequence)
        lasts[effect.user_id] = effect.sequence
    ranges = {"users": list(firsts), "firsts": list(firsts.values()), "lasts": list(lasts.values())}
    await connection.execute(_SQL["insert_effects_outbox"], {"commit_id": commit_id, "at": unit.books.at} | ranges)
    return commit_id


def _deadlines(books: Books, before: Orders) -> dict[str, list[Row]]:
    """Which deadlines are watched no longer, and which from now on."""
    keys = sorted(key for key in books.changes.orders if key in before)
    watched = [(_watched(before[key]), _watched(books.orders[key])) for key in keys]
    return {
        "remove_deadlines": [old for old, new in watched if old is not None and old != new],
        "insert_deadlines": [new for old, new in watched if new is not None and old != new],
    }


def _watched(order: Order) -> Row | None:
    if order.deadline is None or order.owner not in _WATCHED_OWNERS:
        return None
    return {"deadline": order.deadline, "user_id": order.user_id, "order_id": order.order_id}


def _statements(unit: Unit) -> dict[str, list[Row]]:
    """Rows by statement, in the order of writing."""
    books, changes = unit.books, unit.books.changes
    new = {(order.order.user_id, order.order.order_id) for order in unit.new_orders}
    return {
        "write_users": _sequences(books),
        "insert_orders": [_inserted(unit, index) for index in _sorted_new(unit)],
        "enqueue_orders": _waiting(unit),
        "update_orders": [_updated(books.orders[key]) for key in sorted(changes.orders - new)],
        "insert_events": [_slots(event) for event in changes.events],
        "write_accounts": _accounts(books),
        "write_holds": [_slots(books.holds[key]) for key in sorted(changes.holds)],
        "insert_transfers": [_slots(transfer) for transfer in changes.transfers],
        "insert_trades": _trades(changes),
        "write_positions": [
            {"user_id": user, "instrument_id": instrument} | _slots(change)
            for (user, instrument), change in sorted(changes.positions.items())
        ],
        "insert_effects": [_slots(effect) for effect in changes.effects],
        "insert_steps": sorted(
            (_slots(step) for step in unit.steps), key=lambda row: (row["saga_id"], row["user_id"], row["order_id"])
        ),
        "insert_outbox": [_slots(message) for message in unit.outbox],
        "insert_parked": [_slots(report) | {"fingerprint": report.fingerprint.hex()} for report in unit.parked],
        "insert_doubts": [_slots(doubt) for doubt in unit.doubts],
        "settle_doubts": [_slots(settled) for settled in unit.doubts_settled],
        "close_doubts": [{"user_id": user, "order_id": order} for user, order in sorted(changes.doubts_ended)],
        "count_submitted": [{"saga_id": s, "orders": count} for s, count in sorted(unit.submitted.items())],
    }


def _sequences(books: Books) -> list[Row]:
    touched = {effect.user_id for effect in books.changes.effects}
    return [{"user_id": user, "next_sequence": books.sequences[user]} for user in sorted(touched)]


def _sorted_new(unit: Unit) -> list[int]:
    return sorted(range(len(unit.new_orders)), key=lambda index: unit.new_orders[index].order.order_id)


def _inserted(unit: Unit, index: int) -> Row:
    new = unit.new_orders[index]
    return new.order._asdict() | {
        "idempotency_key": new.idempotency_key,
        "fingerprint": new.answer.fingerprint.hex(),
        "answer_status": new.answer.status,
        "answer_body": new.answer.body,
    }


def _waiting(unit: Unit) -> list[Row]:
    # In order of arrival: that is the order in which sagas claim them.
    waiting = [new.order for new in unit.new_orders if not new.order.terminal]
    return [dict(zip(_WAITING, _waiting_values(order), strict=True)) for order in waiting]


def _updated(order: Order) -> Row:
    return dict(zip(_MOVING, _moving_values(order), strict=True))


def _accounts(books: Books) -> list[Row]:
    return [
        {"user_id": key[0], "account": key[1].value, "asset": key[2]} | _slots(books.balances[key])
        for key in sorted(books.changes.balances)
    ]


def _trades(changes: Changes) -> list[Row]:
    rows = [
        {
            "trade_date": trade.fill.trade_date,
            "venue": trade.fill.venue,
            "exec_id": trade.fill.exec_id,
            "user_id": trade.order.user_id,
            "order_id": trade.order.order_id,
            "instrument_id": trade.order.instrument_id,
            "side": trade.order.side,
            "quantity": trade.fill.quantity,
            "price": trade.fill.price,
            "notional": trade.fill.quantity * trade.fill.price,
            "charges": trade.charges,
            "match_id": trade.fill.match_id,
            "executed_at": trade.fill.executed_at,
        }
        for trade in changes.trades
    ]
    return sorted(rows, key=lambda row: (row["venue"], row["trade_date"], row["exec_id"]))


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


def _hold(row: tuple[Any, ...]) -> Hold:
    make: Callable[..., Hold] = Hold
    return make(*row[:3], Account(row[3]), *row[4:])


def order_from_row(row: tuple[Any, ...]) -> Order:
    """The order of one row of `load_orders`."""
    make: Callable[..., Order] = Order
    return make(
        *row[:3],
        Side(row[3]),
        OrderType(row[4]),
        Product(row[5]),
        TimeInForce(row[6]),
        *row[7:13],
        State(row[13]),
        None if row[14] is None else Request(row[14]),
        *row[15:20],
        None if row[20] is None else State(row[20]),
        row[21],
        Owner(row[22]),
        *row[23:],
    )
