"""The saga's steps, the same code under every engine: one transaction a step over all orders of the saga.

A saga is known by its id alone; its orders are rows. After `submit` the exchange owes an answer: `submitted` hands
the saga's id to whoever plays the exchange.
"""

import asyncio
from typing import Any

from psycopg_pool import AsyncConnectionPool

SCHEMA = """
CREATE TABLE accounts (user_id integer PRIMARY KEY, available bigint NOT NULL, held bigint NOT NULL);
CREATE TABLE orders (
    order_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, saga_id text NOT NULL, user_id integer NOT NULL,
    amount bigint NOT NULL, state text NOT NULL);
CREATE INDEX orders_of_saga ON orders (saga_id);
CREATE TABLE outbox (order_id bigint PRIMARY KEY, body text NOT NULL);
INSERT INTO accounts SELECT number, 1000000000000, 0 FROM generate_series(0, 9999) AS number;
"""
_RESERVE = """
WITH held AS (UPDATE orders SET state = 'HELD' WHERE saga_id = %(saga)s AND state = 'NEW' RETURNING user_id, amount),
wanted AS (SELECT user_id, sum(amount) AS amount FROM held GROUP BY user_id),
locked AS (SELECT a.user_id, w.amount FROM accounts a JOIN wanted w USING (user_id) ORDER BY 1 FOR UPDATE OF a)
UPDATE accounts a SET available = a.available - l.amount, held = a.held + l.amount
FROM locked l WHERE a.user_id = l.user_id AND a.available >= l.amount
"""
_SUBMIT = """
WITH sent AS (UPDATE orders SET state = 'SENT' WHERE saga_id = %(saga)s AND state = 'HELD' RETURNING order_id, amount)
INSERT INTO outbox SELECT order_id, json_build_object('order_id', order_id, 'amount', amount)::text FROM sent
"""
_CONFIRM = "UPDATE orders SET state = 'DONE' WHERE saga_id = %(saga)s AND state = 'SENT'"
_PLACE = """
INSERT INTO orders (saga_id, user_id, amount, state)
SELECT saga, random() * 9999, 100, 'NEW' FROM unnest(%(sagas)s::text[]) AS saga, generate_series(1, %(orders)s)
"""


class _Parts:
    pool: AsyncConnectionPool[Any]
    submitted: asyncio.Queue[str]


async def open_steps(dsn: str) -> asyncio.Queue[str]:
    """Make the tables and connect; returns the ids of sagas that wait for the exchange."""
    _Parts.pool = AsyncConnectionPool(dsn, min_size=4, max_size=16, open=False, kwargs={"prepare_threshold": 0})
    _Parts.submitted = asyncio.Queue()
    await _Parts.pool.open(wait=True)
    async with _Parts.pool.connection() as connection:
        await connection.execute(SCHEMA, prepare=False)
    return _Parts.submitted


async def close_steps() -> None:
    """Disconnect."""
    await _Parts.pool.close()


async def place(sagas: list[str], orders: int) -> None:
    """That many new orders for each saga."""
    await _run(_PLACE, sagas=sagas, orders=orders)


async def undone() -> int:
    """Orders that did not go the whole way."""
    async with _Parts.pool.connection() as connection:
        cursor = await connection.execute("SELECT count(*) FROM orders WHERE state <> 'DONE'")
        row = await cursor.fetchone()
        return int(row[0]) if row else 0


async def reserve(saga_id: str) -> int:
    """Hold each order's amount on its user's account."""
    return await _run(_RESERVE, saga=saga_id)


async def submit(saga_id: str) -> int:
    """Queue each order for the exchange."""
    sent = await _run(_SUBMIT, saga=saga_id)
    _Parts.submitted.put_nowait(saga_id)
    return sent


async def confirm(saga_id: str) -> int:
    """Close each order."""
    return await _run(_CONFIRM, saga=saga_id)


async def _run(statement: str, **values: Any) -> int:
    async with _Parts.pool.connection() as connection:
        rows: int = (await connection.execute(statement, values)).rowcount
        return rows
