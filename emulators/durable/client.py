"""What a durable client asks of a task hub: start, send events, read, list, purge.

Rules: starts and events of one process are committed in groups; owners in other processes are woken
after the commit, once a group. While PostgreSQL is away every call raises HubUnavailableError at once; it is
for the caller to repeat it, since only it knows whether that is safe.
"""

import asyncio
import select
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog
from psycopg import errors
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from emulators.durable.commits import CommitterClosedError, GroupCommitter
from emulators.durable.entities import EntityId, is_entity, request, signal
from emulators.durable.history import Event, ExecutionStarted, event_from_json
from emulators.durable.limits import check_instance_id, check_payload
from emulators.durable.records import Incoming, Letter, instance_row, partition_of
from emulators.durable.rewind_store import rewind_instance
from emulators.durable.session import Session
from emulators.durable.settings import HubSettings, Overridable
from emulators.durable.store import OPTIONS, EntityRow, HubRow, InstanceRow, Store, json_parameters
from emulators.durable.turn import Functions, RefusedError
from emulators.durable.worker import channel_of
from emulators.processes.background import persistently

_log = structlog.get_logger(__name__)

_POOL_SIZE = 4
_PURGE_BATCH = 500
_WAIT_S = 2.0


class HubUnavailableError(Exception):
    """PostgreSQL cannot be reached at the moment."""


class InstanceExistsError(Exception):
    """An instance with this id has not finished."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Which instances a query is about; None means any. Times in UTC."""

    prefix: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    statuses: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class _Start:
    start: ExecutionStarted
    letter: Letter


class HubClient:
    """The client side of one task hub in one process."""

    def __init__(
        self, dsn: str, hub: str, partitions: int, settings: HubSettings, session: Callable[[], Session | None]
    ) -> None:
        self._settings = settings
        self._hub = hub
        self._partitions = partitions
        self._session = session
        self._pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=_POOL_SIZE,
            open=False,
            timeout=_WAIT_S,
            check=_check,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 5,
                "prepare_threshold": 2,
                "options": OPTIONS,
            },
        )
        self._starts: GroupCommitter[_Start, str | Exception | None] = GroupCommitter(self._commit_starts)
        self._events: GroupCommitter[Letter, str | Exception | None] = GroupCommitter(self._commit_events)
        self._committers: list[asyncio.Task[None]] = []
        self._functions: Functions | None = None
        self._naming = asyncio.Lock()

    async def open(self) -> None:
        """Connect and begin to commit."""
        await self._pool.open(wait=True, timeout=30)
        self._committers = [
            asyncio.create_task(persistently(committer.run, _report), name="durable client commits")
            for committer in (self._starts, self._events)
        ]

    async def close(self) -> None:
        """Stop committing and close the connections."""
        for committer in self._committers:
            committer.cancel()
        await asyncio.gather(*self._committers, return_exceptions=True)
        await self._pool.close()

    async def start(self, name: str, instance_id: str | None, text: str | None, version: str | None = None) -> str:
        """Start an instance; `text` is its input's JSON. Returns its id.

        Raises RefusedError (no such orchestrator), LimitExceededError, InstanceExistsError, HubUnavailableError.
        """
        instance_id = instance_id or uuid.uuid4().hex
        check_instance_id(instance_id)
        check_payload("The input", text)
        name = await self._registered("orchestrator", name)
        version = version or self._settings.versioning.default
        start = ExecutionStarted(datetime.now(UTC), name, version, text, instance_id, str(uuid.uuid4()))
        letter = self._letter(instance_id, Incoming(start, start.execution_id, uuid.uuid4(), start.execution_id))
        status = await _submit(self._starts, _Start(start, letter))
        if status is not None:
            raise InstanceExistsError(f"An Orchestration instance with the status {status} already exists.")
        return instance_id

    async def send(self, instance_id: str, event: Event) -> str | None:
        """Send an event to an instance; returns its status, None if there is no such instance.

        The event was accepted only if the status is not a final one. Raises HubUnavailableError.
        """
        if is_entity(instance_id):
            return None
        return await _submit(self._events, self._letter(instance_id, Incoming(event, None, uuid.uuid4())))

    async def signal(self, entity: EntityId, operation: str, text: str | None) -> None:
        """Send an operation to an entity; `text` is its input's JSON. Raises RefusedError, HubUnavailableError."""
        await self._registered("entity", entity.name)
        event = request(signal(operation, text), datetime.now(UTC))
        await _submit(self._events, self._letter(str(entity), Incoming(event, None, uuid.uuid4())))

    async def entity(self, entity: EntityId) -> EntityRow | None:
        """One entity. Raises HubUnavailableError."""
        async with self._store() as store:
            found = await store.records(EntityRow, "entity", instance_id=str(entity))
        return found[0] if found else None

    async def entities(
        self, *, prefix: str | None, since: datetime | None, until: datetime | None, after: str | None, limit: int
    ) -> list[EntityRow]:
        """At most `limit` entities by id, behind `after`, changed between two times. Raises HubUnavailableError."""
        async with self._store() as store:
            return await store.records(
                EntityRow, "list_entities", prefix=prefix, since=since, until=until, after=after, limit=limit
            )

    def _letter(self, instance_id: str, incoming: Incoming) -> Letter:
        return Letter(partition_of(instance_id, self._partitions), instance_id, incoming)

    async def status(self, instance_id: str) -> InstanceRow | None:
        """One instance. Raises HubUnavailableError."""
        found = await self._records("status", instance_id=instance_id)
        return found[0] if found else None

    async def history(self, execution_id: uuid.UUID) -> list[Event]:
        """The events of an execution, oldest first. Raises HubUnavailableError."""
        rows = await self._rows("load_history", execution_id=execution_id)
        return [event_from_json(data) for row in rows for data in row["events"]]

    async def instances(
        self, condition: Condition, limit: int, after: tuple[datetime, str] | None
    ) -> list[InstanceRow]:
        """At most `limit` instances, oldest first, behind the one named by `after`. Raises HubUnavailableError."""
        after_time, after_id = after or (None, None)
        return await self._records(
            "list_instances", **_parameters(condition), limit=limit, after_time=after_time, after_id=after_id
        )

    async def rewind(self, instance_id: str, reason: str) -> str | None:
        """Take back a failed instance's failures; returns the status found, None if there is no such instance.

        Nothing was done unless the status is Failed. Raises HubUnavailableError.
        """
        async with self._store() as store:
            status, woken = await rewind_instance(store, self._partitions, instance_id, reason)
        await self._wake(woken)
        return status

    async def purge(self, instance_id: str) -> int:
        """Delete a finished instance; returns how many were deleted. Raises HubUnavailableError."""
        return await self._count("purge_instance", instance_id=instance_id)

    async def purge_where(self, condition: Condition) -> int:
        """Delete the finished instances that match; returns how many. Raises HubUnavailableError."""
        parameters = _parameters(condition)
        del parameters["prefix"]
        total = 0
        while deleted := await self._count("purge_instances", **parameters, limit=_PURGE_BATCH):
            total += deleted
        return total

    async def _registered(self, kind: str, name: str) -> str:
        """The registered spelling; names are read again when one is unknown, as workers come and go."""
        try:
            if self._functions is not None:
                return self._functions.find(kind, name)
        except RefusedError:
            self._functions = None
        async with self._naming:  # one reads for all who wait
            functions = self._functions or await self._read_functions()
        # While no worker has been here yet every name will do; the first one judges it.
        return functions.find(kind, name) if functions is not None else name

    async def _read_functions(self) -> Functions | None:
        async with self._store() as store:
            [hub] = await store.records(HubRow, "hub")
        if hub.orchestrators or hub.activities or hub.entities:
            self._functions = Functions.of(hub.orchestrators, hub.activities, hub.entities)
        return self._functions

    # -- group commits -------------------------------------------------------------------------------

    async def _commit_starts(self, starts: Sequence[_Start]) -> list[str | Exception | None]:
        rows = [instance_row(item.letter.partition, item.start) | {"message": item.letter.message} for item in starts]
        any_state = self._settings.overridable is Overridable.ANY
        answers = await self._commit(
            "start_instances", {"starts": rows}, [item.letter for item in starts], any_state=any_state
        )
        if isinstance(answers, HubUnavailableError):
            return [answers] * len(starts)
        taken = {row["message"]: str(row["status"]) for row in answers if not row["sent"]}
        return [taken.get(item.letter.message) for item in starts]

    async def _commit_events(self, letters: Sequence[Letter]) -> list[str | Exception | None]:
        rows = [
            {
                "message": letter.message,
                "partition": letter.partition,
                "instance_id": letter.instance_id,
                "event": letter.incoming.event.to_json(),
            }
            for letter in letters
        ]
        answers = await self._commit("send_events", {"messages": rows}, letters)
        if isinstance(answers, HubUnavailableError):
            return [answers] * len(letters)
        status = {row["message"]: row["status"] for row in answers}
        return [status[letter.message] for letter in letters]

    async def _commit(
        self, query: str, groups: Mapping[str, Sequence[object]], letters: Sequence[Letter], **parameters: object
    ) -> Sequence[dict[str, Any]] | HubUnavailableError:
        """Commit and deliver: to this process's own worker directly, to owners elsewhere by waking them."""
        session = self._session()
        kept = session.reserve(letters) if session is not None else []
        try:
            answers = await self._rows(query, **json_parameters(groups), **parameters)
        except HubUnavailableError as unavailable:
            return unavailable
        else:
            sent = {row["message"]: row["incarnation"] for row in answers if row["sent"]}
            accepted = [letter.addressed(sent[letter.message]) for letter in letters if letter.message in sent]
            elsewhere = {letter.partition for letter in accepted if session is None or not session.post(letter)}
            kept = [letter for letter in kept if letter.message not in sent]
        finally:
            if session is not None:
                session.release(kept)
        await self._wake(elsewhere)
        return answers

    async def _wake(self, partitions: Collection[int]) -> None:
        if not partitions:
            return
        try:
            async with self._store() as store:
                await store.wake(channel_of(self._hub), list(partitions))
        except HubUnavailableError:
            _log.info("owners could not be woken; they find the messages by themselves")

    # -- statements ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[Store]:
        try:
            async with self._pool.connection() as connection:
                yield Store(connection, self._hub)
        except (errors.DeadlockDetected, errors.SerializationFailure):
            raise
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise HubUnavailableError("the task hub's database cannot be reached") from error

    async def _rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        async with self._store() as store:
            return await store.rows(query, **parameters)

    async def _records(self, query: str, **parameters: object) -> list[InstanceRow]:
        async with self._store() as store:
            return await store.records(InstanceRow, query, **parameters)

    async def _count(self, query: str, **parameters: object) -> int:
        async with self._store() as store:
            return await store.count(query, **parameters)


def _report(error: Exception) -> None:
    _log.error("starts and events could not be committed; the next ones are tried", exc_info=error)


async def _check(connection: psycopg.AsyncConnection[Any]) -> None:
    """Let the pool replace a connection that the server has closed, without a round trip for one that it has not.

    An idle connection has something to read only if the server took its leave, or sent a notice before. Raises
    psycopg.OperationalError.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def _submit[T](committer: GroupCommitter[T, str | Exception | None], item: T) -> str | None:
    try:
        outcome = await committer.submit(item)
    except CommitterClosedError as closed:
        raise HubUnavailableError("the task hub is closing") from closed
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _parameters(condition: Condition) -> dict[str, object]:
    statuses = None if condition.statuses is None else list(condition.statuses)
    return {
        "prefix": condition.prefix,
        "created_from": condition.created_from,
        "created_to": condition.created_to,
        "statuses": statuses,
    }
