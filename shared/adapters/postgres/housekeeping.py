"""Partitions that come and go, and what little is removed row by row, in PostgreSQL."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import stamina
from psycopg import AsyncConnection, sql

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.retention import (
    ANSWERS,
    ANSWERS_KEPT,
    DIVIDED,
    EFFECTS,
    EFFECTS_KEPT,
    SAGAS,
    SAGAS_KEPT,
    Divided,
    Span,
    trade_months,
)
from shared.domain.errors import UnavailableError

_SQL = load("housekeeping.sql")
# A partition is made beside its table and attached: readers and writers of the others go on. Rows that came too early
# leave the default partition for it, in the same transaction.
_MAKE: Final = (
    "LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
    "CREATE TABLE {name} (LIKE {table} INCLUDING ALL)",
    "WITH moved AS (DELETE FROM {default} WHERE {column} >= {first} AND {column} < {following} RETURNING *) "
    "INSERT INTO {name} SELECT * FROM moved",
    "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({following})",
)
# Whoever waits for a lock on the whole table makes everybody behind it wait too: not for long, and then again.
_DROP: Final = (
    "SET LOCAL lock_timeout = '200ms'",
    "ALTER TABLE {table} DETACH PARTITION {name}",
    "DROP TABLE {name}",
)
_ATTEMPTS: Final = 10


class PostgresHousekeeping:
    """`Housekeeping` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, now: datetime, trade_date: date) -> Sequence[str]:
        """See `Housekeeping.prepare`."""
        spans = [span for divided in DIVIDED for span in divided.spans(now)] + list(trade_months(trade_date))
        return [span.name for span in await self._missing(spans) if await self._make(span)]

    async def drop_expired(self, now: datetime) -> Sequence[str]:
        """See `Housekeeping.drop_expired`."""
        kept = {"now": now, "sagas": SAGAS_KEPT, "effects": EFFECTS_KEPT}
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["needed_since"], kept)).fetchall()
        ((sagas_since, effects_since),) = rows
        horizons = [(ANSWERS, now - ANSWERS_KEPT), (EFFECTS, effects_since), *((each, sagas_since) for each in SAGAS)]
        dropped = []
        for divided, horizon in horizons:
            for name in await self._ended(divided, horizon):
                await self._drop(divided.table, name)
                dropped.append(name)
        return dropped

    async def forget(self, most: int) -> int:
        """See `Housekeeping.forget`."""
        async with self._database.connection() as connection:
            answers = (await connection.execute(_SQL["idempotent_answers"], {"most": most})).rowcount
            letters = (await connection.execute(_SQL["dead_letters"], {"most": most - answers})).rowcount
        return answers + letters

    async def _missing(self, spans: Sequence[Span]) -> list[Span]:
        async with self._database.connection() as connection:
            return await _missing(connection, spans)

    async def _make(self, span: Span) -> bool:
        """False when another process has made it meanwhile."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(_SQL["alone"])
            if not await _missing(connection, [span]):
                return False
            for statement in _MAKE:
                await connection.execute(_named(statement, span), prepare=False)
        return True

    async def _ended(self, divided: Divided, horizon: datetime) -> list[str]:
        async with self._database.connection() as connection:
            bounds = await _partitions(connection, divided.table)
        ends = {name: divided.ends_at(text) for name, text in bounds.items()}
        return [name for name, end in ends.items() if end is not None and end <= horizon]

    async def _drop(self, table: str, name: str) -> None:
        names = {"table": sql.Identifier(table), "name": sql.Identifier(name)}
        async for attempt in stamina.retry_context(on=UnavailableError, attempts=_ATTEMPTS, wait_max=1.0):
            with attempt:
                async with self._database.connection() as connection, connection.transaction():
                    await connection.execute(_SQL["alone"])
                    if name not in await _partitions(connection, table):
                        return
                    for statement in _DROP:
                        await connection.execute(sql.SQL(statement).format(**names), prepare=False)


async def _partitions(connection: AsyncConnection, table: str) -> dict[str, str]:
    """Bounds by name. A partition that another process has just dropped may still be listed, without a bound."""
    rows = await (await connection.execute(_SQL["partitions"], {"table": table})).fetchall()
    return {name: bound for name, bound in rows if bound is not None}


async def _missing(connection: AsyncConnection, spans: Sequence[Span]) -> list[Span]:
    asked = {"names": [span.name for span in spans]}
    present = {row[0] for row in await (await connection.execute(_SQL["present"], asked)).fetchall()}
    return [span for span in spans if span.name not in present]


def _named(statement: str, span: Span) -> sql.Composed:
    return sql.SQL(statement).format(
        table=sql.Identifier(span.table),
        default=sql.Identifier(f"{span.table}_default"),
        name=sql.Identifier(span.name),
        column=sql.Identifier(span.column),
        first=sql.Literal(span.first),
        following=sql.Literal(span.following),
    )
