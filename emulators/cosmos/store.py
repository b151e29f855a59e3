"""PostgreSQL behind the emulator: a pool of connections, named statements, and the ownership of the database.

What is answered is committed. One server owns a database (advisory lock), so its copy of databases and containers is
current.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import structlog
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from emulators.cosmos.errors import store_unavailable
from emulators.cosmos.migrate import migrate

_log = structlog.get_logger(__name__)
_OWNER_LOCK = 0x636F_736D
_OWNERSHIP_PATIENCE_S = 3.0
_WATCH_S = 1.0
_CONNECTIONS = 8
_PATIENCE_S = 5.0

type Connection = psycopg.AsyncConnection[TupleRow]
type Parameters = Mapping[str, Any] | tuple[Any, ...]


class StoreError(Exception):
    """The database cannot be used at all; the message names the remedy."""


def _read_queries() -> dict[str, bytes]:
    text = Path(__file__).with_name("queries.sql").read_text()
    blocks = (block.partition("\n") for block in text.split("-- name: ")[1:])
    return {name.strip(): body.strip().encode() for name, _, body in blocks}


_QUERIES = _read_queries()


class Store:
    """Runs named statements; those of one `transaction` together or not at all."""

    def __init__(self, dsn: str, statement_timeout_s: float) -> None:
        self._dsn = dsn
        self._owner: Connection | None = None
        options = f"-c statement_timeout={int(statement_timeout_s * 1000)}"
        self._pool = AsyncConnectionPool(
            dsn,
            kwargs={"autocommit": True, "options": options, "connect_timeout": 5},
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_PATIENCE_S,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def open(self) -> None:
        """Migrate and take ownership. Raises StoreError."""
        try:
            await asyncio.to_thread(migrate, self._dsn)
            self._owner = await self._connect_owner()
            await self._pool.open()
        except psycopg.OperationalError as error:
            raise StoreError(f"The database of the emulator cannot be reached: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()
        if self._owner is not None:
            await self._owner.close()

    async def keep_ownership(self) -> None:
        """For ever: take the lock again after PostgreSQL was away. Raises StoreError when another server has it."""
        while True:
            await asyncio.sleep(_WATCH_S)
            try:
                if self._owner is None or self._owner.broken:
                    self._owner = await self._connect_owner()
                await self._owner.execute("SELECT 1")
            except psycopg.OperationalError as error:
                _log.warning("PostgreSQL does not answer; trying again", error=str(error))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Session"]:
        """Commits at the end of the block, unless it raises. Raises CosmosError (503) without PostgreSQL."""
        async with self._connection() as connection, connection.transaction():
            yield Session(connection)

    async def fetch(self, query: str, parameters: Parameters = ()) -> list[TupleRow]:
        """Rows of one statement. Raises CosmosError (503) without PostgreSQL."""
        async with self._connection() as connection:
            return await Session(connection).fetch(query, parameters)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TimeoutError) as error:
            _log.warning("PostgreSQL does not answer", error=str(error))
            raise store_unavailable() from error

    async def _connect_owner(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5)
        try:
            await _take_ownership(connection)
        except BaseException:
            await connection.close()
            raise
        return connection


class Session:
    """One connection, for as long as a transaction lasts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, query: str, parameters: Parameters = ()) -> list[TupleRow]:
        """Rows of a named statement, none of one that gives none."""
        cursor = await self._connection.execute(_QUERIES[query], parameters)
        return await cursor.fetchall() if cursor.description is not None else []

    async def send(self, query: str, parameters: Parameters) -> None:
        """Run a named statement that gives nothing."""
        await self._connection.execute(_QUERIES[query], parameters)

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Statements of the block are sent without waiting for one another's answers."""
        async with self._connection.pipeline():
            yield


async def _take_ownership(connection: Connection) -> None:
    """Wait for the advisory lock a little: the session of a killed server ends a moment after it."""
    deadline = time.monotonic() + _OWNERSHIP_PATIENCE_S
    while time.monotonic() < deadline:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (_OWNER_LOCK,))).fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(0.05)
    raise StoreError("Another Cosmos DB emulator uses this database: stop it, or give this one its own database.")
