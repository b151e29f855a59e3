"""The connection pool: bounded waits, generic plans, and one error for "PostgreSQL is unavailable"."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import psycopg
import stamina
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from shared.adapters.postgres.passwords import PasswordSource
from shared.domain.errors import UnavailableError

# Rows come and go fast and tables begin empty, so plans must not follow yesterday's statistics: every
# statement is prepared once per connection and reaches its rows by index.
_SESSION = {
    "application_name": "broker",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "timezone": "UTC",
    "statement_timeout": "5s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
}
_CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
# What says nothing of the rows: a lost or closed connection, a timeout, a server that only reads.
_AWAY = (
    psycopg.errors.OperationalError,
    psycopg.errors.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.ReadOnlySqlTransaction,
)
RETRY_AFTER_S = 1


class LockedError(UnavailableError):
    """A lock was not to be had within `lock_timeout`."""


_SILENCE_S = 7.0
"""Above `statement_timeout`, so only a server that does not answer at all takes so long for one round trip."""


class _Connection(AsyncConnection):
    """Closes when the server does not answer: a machine that froze keeps its connections open and never ends them."""

    silence_s = _SILENCE_S

    async def wait(self, *arguments: Any, **options: Any) -> Any:
        """One round trip, as psycopg makes all of them. Raises OperationalError after `silence_s`."""
        watch = asyncio.get_running_loop().call_later(self.silence_s, self._hang_up)
        try:
            return await super().wait(*arguments, **options)
        finally:
            watch.cancel()

    def _hang_up(self) -> None:
        if not self.closed:
            with socket.socket(fileno=os.dup(self.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)


_OPTIONS: dict[str, Any] = {
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
    "connect_timeout": 2,
    "prepare_threshold": 0,
    "autocommit": True,
}


async def _with_password(password: PasswordSource) -> dict[str, Any]:
    return _OPTIONS | {"password": await password()}


class Database:
    """One process's pool. Built on first use, inside the event loop that will use it.

    `password` gives each new connection its own; None: the URI has it.
    """

    def __init__(self, url: str, *, most: int = 8, wait_s: float = 2.0, password: PasswordSource | None = None) -> None:
        self._pool = AsyncConnectionPool(
            url,
            connection_class=_Connection,
            min_size=1,
            max_size=most,
            timeout=wait_s,
            # The pool's own attempts come ever more rarely; after these, each caller makes one.
            reconnect_timeout=2.0,
            kwargs=_OPTIONS if password is None else partial(_with_password, password),
            check=None,
            open=False,
        )

    async def open(self) -> None:
        """Start filling the pool; does not wait for PostgreSQL."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def ping(self) -> None:
        """Ask for one answer. Raises UnavailableError."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """One connection, on which each statement is a transaction of its own: one round trip.

        Raises UnavailableError when PostgreSQL is unavailable or does not answer in time.
        """
        try:
            async with self._pool.connection() as connection:
                yield connection
        except _CONFLICTS:
            raise
        except psycopg.errors.LockNotAvailable as error:
            raise LockedError("The account is busy: try again", retry_after_s=RETRY_AFTER_S) from error
        except _AWAY as error:
            raise UnavailableError(
                "The database is not available: repeat the request after Retry-After seconds",
                retry_after_s=RETRY_AFTER_S,
            ) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One connection with one transaction: committed at the end, rolled back on an exception.

        Statements are pipelined. BEGIN travels with the first of them and COMMIT with the last, so a transaction costs
        one round trip for each time that it waits for rows, and one for its end. Raises what `connection` raises.
        """
        async with self.connection() as connection, connection.pipeline():
            await connection.execute("BEGIN")
            yield connection
            await connection.execute("COMMIT")

    async def retrying[T](self, transaction: Callable[[], Awaitable[T]]) -> T:
        """Run a whole transaction again after a deadlock or serialization failure, a few times, unseen.

        Raises UnavailableError when it still collides: that is no fault of its rows.
        """
        try:
            async for attempt in stamina.retry_context(
                on=_CONFLICTS, attempts=6, timeout=3.0, wait_initial=0.005, wait_max=0.2, wait_jitter=0.02
            ):
                with attempt:
                    return await transaction()
        except _CONFLICTS as error:
            raise UnavailableError(
                "The database is busy: repeat the request after Retry-After seconds", retry_after_s=RETRY_AFTER_S
            ) from error
        raise AssertionError("retry_context ends by returning or raising")
