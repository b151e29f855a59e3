"""The timer trigger: each occurrence once, across processes and restarts.

A ledger says which process fires a timer, and keeps last and next. In PostgreSQL that is an advisory lock, free when
its process dies, and a row; `storage_timers` is the ledger in a storage account. The status is written after the run:
a kill in the middle makes the timer past due at the next start, as in Azure. Occurrences of one timer never overlap.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import orjson
import psycopg
from psycopg import sql

from emulators.functions.definitions import FunctionDefinition, TimerTrigger
from emulators.functions.execution import Executor, trace_context
from emulators.functions.logging import get_logger
from emulators.functions.retries import run_with_retries
from emulators.functions.schedules import Schedule, parse_schedule
from emulators.functions.worker import TypedData

_SCHEMA_LOCK = "functions_host schema"
_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS functions_host;
CREATE TABLE IF NOT EXISTS functions_host.timers (
    host_id text NOT NULL,
    function text NOT NULL,
    schedule text NOT NULL,
    last_run timestamptz,
    next_run timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (host_id, function)
)
"""
_LONGEST_SLEEP_S = 60.0
_RETRY_OWNERSHIP_S = 1.0
_logger = get_logger("host.timers")


@dataclass(frozen=True)
class TimerStatus:
    """What is remembered of a timer; times in UTC. Not every ledger remembers the schedule."""

    schedule: str | None
    last_run: datetime | None
    next_run: datetime
    updated_at: datetime


class TimerLedger(Protocol):
    """Ownership and status of one process's timers; every call may raise one of `outages`."""

    @property
    def place(self) -> str:
        """Where it is kept, for messages."""

    @property
    def outages(self) -> tuple[type[Exception], ...]: ...

    async def owns(self, function: str) -> bool:
        """Whether this process fires `function` now."""

    async def read(self, function: str) -> TimerStatus | None:
        """The remembered status."""

    async def write(self, function: str, status: TimerStatus) -> None:
        """Remember a status."""

    async def close(self) -> None: ...


class PostgresTimerLedger:
    """A ledger on one connection."""

    place = "PostgreSQL"
    outages = (psycopg.OperationalError,)

    def __init__(self, dsn: str, host_id: str) -> None:
        self._dsn = dsn
        self._host_id = host_id
        self._connection: psycopg.AsyncConnection | None = None
        self._owned: set[str] = set()
        self._turn = asyncio.Lock()

    async def owns(self, function: str) -> bool:
        """Whether this process fires `function` now. Raises psycopg.OperationalError."""
        async with self._turn:
            connection = await self._open()
            if function in self._owned:
                await connection.execute("SELECT 1")
                return True
            lock = await connection.execute(
                "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"timer {self._host_id} {function}",)
            )
            row = await lock.fetchone()
            if row is not None and row[0]:
                self._owned.add(function)
            return function in self._owned

    async def read(self, function: str) -> TimerStatus | None:
        """The remembered status. Raises psycopg.OperationalError."""
        async with self._turn:
            connection = await self._open()
            rows = await connection.execute(
                "SELECT schedule, last_run, next_run, updated_at FROM functions_host.timers"
                " WHERE host_id = %s AND function = %s",
                (self._host_id, function),
            )
            row = await rows.fetchone()
            return None if row is None else TimerStatus(*row)

    async def write(self, function: str, status: TimerStatus) -> None:
        """Remember a status. Raises psycopg.OperationalError."""
        async with self._turn:
            connection = await self._open()
            await connection.execute(
                "INSERT INTO functions_host.timers VALUES (%s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (host_id, function) DO UPDATE SET schedule = EXCLUDED.schedule,"
                " last_run = EXCLUDED.last_run, next_run = EXCLUDED.next_run, updated_at = EXCLUDED.updated_at",
                (self._host_id, function, status.schedule, status.last_run, status.next_run, status.updated_at),
            )

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _open(self) -> psycopg.AsyncConnection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._owned.clear()
        self._connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
        async with self._connection.transaction():
            await self._connection.execute("SET LOCAL client_min_messages = warning")
            await self._connection.execute("SET TIME ZONE 'UTC'")
            await self._connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (_SCHEMA_LOCK,))
            await self._connection.execute(sql.SQL(_SCHEMA))
        return self._connection


class Timer:
    """One timer function of this process."""

    def __init__(self, function: FunctionDefinition, ledger: TimerLedger, executor: Executor) -> None:
        assert isinstance(function.trigger, TimerTrigger)
        self._function = function
        self._trigger = function.trigger
        self._schedule: Schedule = parse_schedule(function.trigger.schedule)
        self._monitored = function.trigger.use_monitor and not self._schedule.is_frequent()
        self._ledger = ledger
        self._executor = executor
        self._unmonitored: TimerStatus | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Fire no more; what runs finishes."""
        self._stopping.set()

    async def run(self) -> None:
        """Fire until stopped, through the ledger's outages."""
        started = False
        slept = False
        while not self._stopping.is_set():
            if not await self._with_ledger(lambda: self._ledger.owns(self._function.name), default=False):
                started = slept = False
                await self._pause(_RETRY_OWNERSHIP_S)
                continue
            status = await self._with_ledger(self._status, default=None)
            if status is None:
                continue
            remaining_s = (status.next_run - _now()).total_seconds()
            if remaining_s > 0 and (started or not self._trigger.run_on_startup):
                started = slept = True
                await self._pause(min(remaining_s, _LONGEST_SLEEP_S))
                continue
            await self._fire(status, past_due=remaining_s <= 0 and not slept)
            started = slept = True

    async def _status(self) -> TimerStatus:
        """The status to go by; a changed schedule counts from the last run."""
        known = await self._ledger.read(self._function.name) if self._monitored else self._unmonitored
        if known is not None and self._still_holds(known):
            return known
        now = _now()
        last = known.last_run if known is not None else None
        fresh = TimerStatus(self._trigger.schedule, last, self._schedule.next_after(last or now), now)
        await self._remember(fresh)
        return fresh

    def _still_holds(self, known: TimerStatus) -> bool:
        if known.schedule is not None:
            return known.schedule == self._trigger.schedule
        moments = (known.updated_at, known.last_run or known.updated_at)
        return any(self._schedule.next_after(moment) == known.next_run for moment in moments)

    async def _remember(self, status: TimerStatus) -> None:
        if self._monitored:
            await self._ledger.write(self._function.name, status)
        else:
            self._unmonitored = status

    async def _fire(self, status: TimerStatus, *, past_due: bool) -> None:
        invoked_at = _now()
        request = self._request(status, past_due=past_due)
        await run_with_retries(self._executor, self._function, request, trace_context(), self._stopping)
        finished_at = _now()
        done = TimerStatus(status.schedule, invoked_at, self._schedule.next_after(finished_at), finished_at)
        await self._until_remembered(done)

    async def _until_remembered(self, done: TimerStatus) -> None:
        async def write() -> bool:
            await self._remember(done)
            return True

        while not await self._with_ledger(write, default=False):
            if self._stopping.is_set():
                return

    def _request(self, status: TimerStatus, *, past_due: bool) -> TypedData:
        schedule_status = {
            "Last": (status.last_run or datetime.min.replace(tzinfo=UTC)).isoformat(),
            "LastUpdated": status.updated_at.isoformat(),
            "Next": status.next_run.isoformat(),
        }
        request = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": schedule_status if self._monitored else None,
            "IsPastDue": past_due,
        }
        return TypedData(json=orjson.dumps(request).decode())

    async def _with_ledger[Result](self, step: Callable[[], Awaitable[Result]], default: Result) -> Result:
        """`step`, or `default` after a pause when the ledger is away."""
        try:
            return await step()
        except self._ledger.outages as error:
            _logger.warning(
                f"{self._ledger.place} is away; the timer waits", function=self._function.name, error=str(error)
            )
            await self._pause(_RETRY_OWNERSHIP_S)
            return default

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def timer_request_now() -> TypedData:
    """The input of a manual run."""
    return TypedData(json='{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}')


def _now() -> datetime:
    return datetime.now(UTC)
