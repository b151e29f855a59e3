"""The queues' persistence: one writer that commits whatever waits together, and one reader.

Rules:
- A change is in memory as soon as it is written here; what others see of it (an acknowledgement, a delivery) waits for
  its commit. Changes commit in the order in which they were written, so an effect is never ahead of its cause.
- Natural batching: while one group commits, the next one gathers. No timer adds delay.
- A group whose commit failed is tried again until it succeeds; every statement is idempotent, so a commit whose answer
  was lost does no harm. After `_PATIENCE_S` those who wait get an error, and new work is refused.
- One server owns a database (advisory lock).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import structlog

from emulators.messaging.errors import StoreUnavailableError
from emulators.messaging.message import Content
from emulators.messaging.migrate import migrate
from emulators.messaging.records import AfterCommit, ChangeSet, Message, MessageState, Status

_log = structlog.get_logger(__name__)
_OWNER_LOCK = 0x616D_7170
_PATIENCE_S = 5.0
_RETRY_S = 0.2
_OWNERSHIP_PATIENCE_S = 3.0
_STATEMENT_TIMEOUT_S = 30
_BACKLOG_BYTES = 64 << 20


class StoreError(Exception):
    """The database cannot be used at all; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class LoadedQueue:
    """A queue as it was found at start."""

    id: int
    next_sequence: int
    messages: list[Message]
    duplicates: dict[str, float]
    session_states: dict[str, bytes]
    rules: str | None
    rules_of: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Created:
    """An entity that was created while a server ran; `name` is its path in lower case, `description` JSON."""

    name: str
    kind: str
    description: str


def _read_queries() -> dict[str, str]:
    text = Path(__file__).with_name("queries.sql").read_text()
    blocks = (block.partition("\n") for block in text.split("-- name: ")[1:])
    return {name.strip(): body.strip() for name, _, body in blocks}


_QUERIES = _read_queries()


class Store:
    """PostgreSQL behind the queues. `write` and `after_commit` never wait; a task commits."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._gathering = ChangeSet()
        self._committing: ChangeSet | None = None
        self._work = asyncio.Event()
        self._writer: psycopg.AsyncConnection[Any] | None = None
        self._reader: psycopg.AsyncConnection[Any] | None = None
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._away_since: float | None = None
        self._returned: list[Callable[[], None]] = []

    # --- life -------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Migrate, take ownership and start committing. Raises StoreError."""
        try:
            await asyncio.to_thread(migrate, self._dsn)
            self._writer = await self._connect_owner()
        except psycopg.OperationalError as error:
            raise StoreError(f"The messaging database cannot be reached: {error}") from error
        self._task = asyncio.create_task(self._commit_forever(), name="messaging-commit")

    async def close(self) -> None:
        """Commit what was written, if PostgreSQL answers, then close the connections."""
        if self._task is not None:
            if not (self._task.done() or self.away):
                with contextlib.suppress(StoreUnavailableError):
                    await self.committed()
            self._task.cancel()
            await asyncio.wait({self._task})
        for connection in (self._writer, self._reader):
            if connection is not None:
                await connection.close()

    @property
    def failed(self) -> Awaitable[None]:
        """Ends, with its exception, only when committing cannot go on."""
        assert self._task is not None
        return self._task

    # --- writing ----------------------------------------------------------------------------------------------------

    @property
    def away(self) -> bool:
        """PostgreSQL has not answered for longer than callers are made to wait."""
        return self._away_since is not None and time.monotonic() - self._away_since > _PATIENCE_S

    def check_accepting(self) -> None:
        """Raise StoreUnavailableError when new work should be refused."""
        if self.away or self._gathering.size > _BACKLOG_BYTES:
            raise StoreUnavailableError

    def write(self) -> ChangeSet:
        """The group that will commit next, to be changed at once, before anything is awaited."""
        self._work.set()
        return self._gathering

    def after_commit(self, callback: AfterCommit) -> None:
        """Call back when everything written so far is committed, or with an error when the store is away too long."""
        if not self._gathering.empty:
            self._gathering.callbacks.append(callback)
        elif self._committing is not None:
            self._committing.callbacks.append(callback)
        else:
            callback(None)

    def when_committed(self, action: Callable[[], None]) -> None:
        """Act when everything written so far is committed, however long the store is away."""

        def on_commit(error: StoreUnavailableError | None) -> None:
            if error is None:
                action()
            else:
                self.after_commit(on_commit)

        self.after_commit(on_commit)

    async def committed(self) -> None:
        """Wait until everything written so far is committed. Raises StoreUnavailableError."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish(error: StoreUnavailableError | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        self.after_commit(finish)
        await done

    def when_returned(self, callback: Callable[[], None]) -> None:
        """Call back each time PostgreSQL answers again."""
        self._returned.append(callback)

    def forget_returned(self, callback: Callable[[], None]) -> None:
        """End what `when_returned` began."""
        self._returned.remove(callback)

    async def _commit_forever(self) -> None:
        while True:
            await self._work.wait()
            # One more turn of the loop, so that the receivers whom this write wakes share its commit.
            await asyncio.sleep(0)
            self._work.clear()
            self._committing, self._gathering = self._gathering, ChangeSet()
            await self._commit_until_done(self._committing)
            done, self._committing = self._committing, None
            done.finish(None)

    async def _commit_until_done(self, changes: ChangeSet) -> None:
        while True:
            try:
                await self._commit(changes)
            except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
                await self._wait_for_return(changes, error)
            else:
                self._came_back()
                return

    async def _wait_for_return(self, changes: ChangeSet, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("PostgreSQL does not answer; trying again", error=str(error))
        if self.away:
            changes.finish(StoreUnavailableError())
            self._gathering.finish(StoreUnavailableError())
        await asyncio.sleep(_RETRY_S)
        # Meanwhile another server may own the database; then this one keeps refusing.
        with contextlib.suppress(psycopg.OperationalError, StoreError):
            if self._writer is not None:
                await self._writer.close()
            self._writer = await self._connect_owner()

    def _came_back(self) -> None:
        if self._away_since is not None:
            _log.info("PostgreSQL answers again", away_s=round(time.monotonic() - self._away_since, 1))
            self._away_since = None
            for callback in self._returned:
                callback()

    async def _commit(self, changes: ChangeSet) -> None:
        if not changes.changed:
            return
        assert self._writer is not None
        async with asyncio.timeout(_STATEMENT_TIMEOUT_S), self._writer.pipeline(), self._writer.transaction():
            if not changes.durable:
                await self._writer.execute("SET LOCAL synchronous_commit = off")
            for query, columns in _statements(changes):
                await self._writer.execute(_QUERIES[query].encode(), columns, binary=False)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def load_queue(self, name: str) -> LoadedQueue:
        """Declare the queue and read everything but the contents of its messages. Raises StoreUnavailableError."""
        try:
            return await self._load_queue(name)
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
            raise StoreUnavailableError from error

    async def _load_queue(self, name: str) -> LoadedQueue:
        [(queue_id, next_sequence, *described)] = await self.fetch("declare_queue", (name,))
        rows = await self.fetch("load_messages", (queue_id,))
        duplicates = await self.fetch("load_duplicates", (queue_id,))
        states = await self.fetch("load_session_states", (queue_id,))
        return LoadedQueue(
            queue_id,
            next_sequence,
            [_message(queue_id, row) for row in rows],
            dict(duplicates),
            dict(states),
            *described,
        )

    async def load_created(self) -> list[Created]:
        """What was created while a server ran, oldest first. Raises psycopg.Error."""
        return [Created(*row) for row in await self.fetch("load_created", ())]

    async def load_contents(self, queue_id: int, sequences: list[int]) -> dict[int, Content]:
        """Contents by sequence number. Raises StoreUnavailableError."""
        try:
            rows = await self.fetch("load_contents", (queue_id, sequences))
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
            raise StoreUnavailableError from error
        return {row[0]: Content(*row[1:]) for row in rows}

    async def fetch(self, query: str, parameters: tuple[object, ...] | dict[str, object]) -> list[tuple[Any, ...]]:
        """Rows of a named query. Raises psycopg.OperationalError, psycopg.InterfaceError, TimeoutError."""
        async with self._reading, asyncio.timeout(_STATEMENT_TIMEOUT_S):
            if self._reader is None or self._reader.broken or self._reader.closed:
                self._reader = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5)
            cursor = await self._reader.execute(_QUERIES[query].encode(), parameters)
            return await cursor.fetchall()

    async def _connect_owner(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(self._dsn, connect_timeout=5)
        try:
            await _take_ownership(connection)
        except BaseException:
            await connection.close()
            raise
        return connection


async def _take_ownership(connection: psycopg.AsyncConnection[Any]) -> None:
    """Wait for the advisory lock a little: the session of a killed server ends a moment after it."""
    async for _ in _attempts(_OWNERSHIP_PATIENCE_S):
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (_OWNER_LOCK,))).fetchone()
        await connection.commit()
        if row is not None and row[0]:
            return
    raise StoreError("Another messaging server uses this database: stop it, or give this one its own database.")


async def _attempts(seconds: float) -> AsyncIterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        await asyncio.sleep(0.05)


def _message(queue_id: int, row: tuple[Any, ...]) -> Message:
    sequence, message_id, session_id, size, dead_lettered, status, *rest, hops, transfer = row
    state = MessageState(dead_lettered, Status(status), *rest)
    return Message(queue_id, sequence, message_id, session_id, size, state, None, hops=hops, transfer=transfer)


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _statements(changes: ChangeSet) -> Iterable[tuple[str, list[list[object]]]]:
    """Query names and their array parameters, one element a row, rows in key order."""
    set_states = {key: value for key, value in changes.session_states.items() if value is not None}
    tables: list[tuple[str, list[tuple[object, ...]]]] = [
        ("insert_messages", [_insert_row(*insert) for _, insert in sorted(changes.inserts.items())]),
        ("advance_sequences", [*sorted(changes.next_sequences.items())]),
        ("update_messages", [(*key, *state) for key, state in sorted(changes.updates.items())]),
        ("delete_messages", [*sorted(changes.deletes)]),
        ("remember_duplicates", [(*key, seen) for key, seen in sorted(changes.duplicates.items())]),
        ("forget_duplicates", [*sorted(changes.forgotten.items())]),
        ("set_session_states", [(*key, value) for key, value in sorted(set_states.items())]),
        ("clear_session_states", sorted(key for key in changes.session_states if key not in set_states)),
        ("describe_queues", [(key, *value) for key, value in sorted(changes.descriptions.items())]),
        ("set_rules", [(key, *value) for key, value in sorted(changes.rules.items())]),
        ("drop_queues", [(key,) for key in sorted(changes.dropped)]),
        ("insert_event_blocks", [block.row for block in changes.blocks]),
        ("advance_partitions", [(key, *head) for key, head in sorted(changes.heads.items())]),
        ("trim_partitions", [*sorted(changes.trims.items())]),
    ]
    return [(query, _columns(rows)) for query, rows in tables if rows]


def _insert_row(message: Message, content: Content, state: MessageState) -> tuple[object, ...]:
    return (
        message.queue_id,
        message.sequence,
        message.message_id,
        message.session_id,
        content.durable,
        content.priority,
        content.ttl_ms,
        content.annotations,
        content.annotation_items,
        content.bare,
        *state,
        message.hops,
        message.transfer,
    )
