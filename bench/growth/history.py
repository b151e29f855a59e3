"""A broker with a history of any length: a few real orders, copied by SQL with everything that belongs to them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import psycopg

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.housekeeping import PostgresHousekeeping
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.queries import statements
from shared.adapters.postgres.rows import COLUMNS
from shared.application.ledger import Ledger
from shared.domain.orders.events import Ended, Refused
from shared.domain.orders.order import OrderKey, State
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.terms import Side
from tests.support.broker import Broker, a_candidate, a_user, fill, report
from tests.support.values import DEADLINES

USERS: Final = 10
OWNER: Final = a_user(0)
"""The user whose lists are read: a tenth of all orders are theirs."""
KINDS: Final = 3
RARE, COMMON = "NSE:RARE", "NSE:SOME1"
_DAYS: Final = 7
_COPIED: Final[Mapping[str, str]] = {
    "order_id": "c.order_id",
    "saga_id": "c.saga_id",
    "client_order_id": "c.order_id::text",
    "instrument_id": "c.instrument_id",
    "trade_date": "(o.accepted_at - c.age)::date",
} | {name: f"o.{name} - c.age" for name in ("accepted_at", "updated_at", "submitted_at", "expire_at", "answered_at")}


class HistoryError(Exception):
    """The copied ledger does not balance."""


async def fill_history(url: str, orders: int) -> None:
    """Give an empty, migrated database about `orders` finished orders, a ledger checkpoint and statistics.

    Raises HistoryError when the ledger does not balance afterwards.
    """
    database = Database(url, most=4)
    await database.open()
    try:
        await _originals(Broker(database, url))
        now = datetime.now(UTC)
        for days in range(_DAYS, -1, -1):
            at = now - timedelta(days=days)
            await PostgresHousekeeping(database).prepare(at, at.date())
        _copy(url, max(1, orders // (USERS * KINDS)))
        ledger = PostgresLedger(database)
        while await ledger.take_checkpoint():
            pass
        if not (await Ledger(ledger).trial_balance()).balanced:
            raise HistoryError("the trial balance is not zero")
    finally:
        await database.close()


async def _originals(broker: Broker) -> None:
    """Of each user a filled BUY, a SELL that was canceled in part, and a refused order."""
    users = [a_user(number) for number in range(USERS)]
    await broker.open_accounts(users)
    for user in users:
        saga_id, bought = await _submitted(broker, user, Side.BUY)
        await broker.receive(report(bought), fill(bought))
        await broker.records.confirm(saga_id)
        saga_id, sold = await _submitted(broker, user, Side.SELL)
        await broker.receive(report(sold, side="SELL"), fill(sold, quantity=4, cum=4, side="SELL"))
        await broker.change(sold, Ended(State.CANCELED, 4, "as requested", DEADLINES))
        await broker.records.confirm(saga_id)
        refused = await place(broker, user)
        await broker.change(refused, Refused(RejectCode.INSUFFICIENT_FUNDS, "too little"))
    broker.rows("DELETE FROM effects_outbox")
    broker.rows("DELETE FROM dispatch_queue")


async def place(broker: Broker, user_id: UUID, side: Side = Side.BUY) -> OrderKey:
    """An order with both of its client's keys."""
    candidate = a_candidate(uuid4().hex, user_id=user_id, side=side, client_order_id=uuid4().hex)
    return OrderKey(user_id, (await broker.intake.take(candidate)).answer.order_id)


async def _submitted(broker: Broker, user_id: UUID, side: Side) -> tuple[UUID, OrderKey]:
    key = await place(broker, user_id, side)
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    await broker.saga.reserve_funds(saga_id, broker.sagas)
    await broker.saga.submit_to_exchange(saga_id, broker.sagas)
    return saga_id, key


def _copy(url: str, copies: int) -> None:
    values = {"copies": copies, "users": [a_user(number) for number in range(USERS)]}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET work_mem = '256MB'")
        for statement in _fill_statements().values():
            connection.execute(statement.encode(), values)
        connection.execute("VACUUM (ANALYZE)")


def _fill_statements() -> Mapping[str, str]:
    text = (Path(__file__).parent / "fill.sql").read_text(encoding="utf-8")
    text = text.replace("{order_names}", ", ".join(COLUMNS))
    text = text.replace("{copied_columns}", ", ".join(_COPIED.get(name, f"o.{name}") for name in COLUMNS))
    return statements(text, "fill.sql")


def newest_ids(url: str, count: int) -> list[UUID]:
    """Of orders, as the live ones of a venue would be."""
    with psycopg.connect(url) as connection:
        newest = "SELECT order_id FROM orders ORDER BY order_id DESC LIMIT %s"
        return [row[0] for row in connection.execute(newest, (count,)).fetchall()]
