"""What comes due at a time or after a restart: activities, timers and delayed messages, read from the tables.

Purpose: a session takes up what earlier ones left, with bounded memory: the tables hold everything, memory
holds what is near.
Rules:
- Timers are read in pages up to a horizon. Turns put timers before the horizon into memory themselves, and
  the rows are read after it has moved, so no timer falls between; twice in memory is harmless.
- Activities beyond what the runner keeps stay in the table until it has room.
- A delayed message moves into the inbox when it is due, in one statement.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from emulators.durable.activities import ActivityCall, ActivityRunner
from emulators.durable.history import ExecutionStarted, TimerCreated, TimerFired, parse_utc, utc_text
from emulators.durable.records import Incoming
from emulators.durable.store import Store, TaskRow, TimerRow
from emulators.durable.timers import DueTimer, TimerQueue

_TIMER_WINDOW = timedelta(minutes=5)
_TIMER_PAGE = 5_000
_MOMENT = timedelta(microseconds=1)
_LONGEST_SLEEP_S = 30.0
_DELAYED_PAGE = 1_000

type TimerCursor = tuple[datetime, uuid.UUID, int]
_FIRST_TIMER: TimerCursor = (datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0), -1)


class Intake:
    """Feeds one session from the tables."""

    def __init__(
        self,
        store: Store,
        partitions: Sequence[int],
        runner: ActivityRunner,
        deliver: Callable[[str, Incoming], None],
        arrived: Callable[[], None],
    ) -> None:
        self._store = store
        self._owned = list(partitions)
        self._runner = runner
        self._deliver = deliver
        self._arrived = arrived
        self._timers = TimerQueue(self._fire)
        self._horizon = datetime.now(UTC)
        self._delayed = asyncio.Event()

    async def resume_tasks(self) -> None:
        """Ask for the activities that are due and have no outcome yet."""
        await self._refill(first=True)

    async def keep_tasks_coming(self) -> None:
        """Read more activities whenever the runner has room for some that it left in the table."""
        while True:
            await self._runner.room.wait()
            await self._refill(first=False)

    async def run_timers(self) -> None:
        """Fire the timers that are in memory."""
        await self._timers.run()

    async def move_horizon(self) -> None:
        """Keep the timers of the next minutes in memory."""
        cursor = _FIRST_TIMER
        while True:
            until = datetime.now(UTC) + _TIMER_WINDOW
            self._horizon = max(self._horizon, until)
            rows = await self._due_timers(cursor, until)
            for row in rows:
                self._timers.add(DueTimer(row.fire_at, row.partition, row.instance_id, str(row.execution_id), row.seq))
            if len(rows) < _TIMER_PAGE:
                cursor = (until, uuid.UUID(int=0), -1)
                await asyncio.sleep(_TIMER_WINDOW.total_seconds() / 2)
                continue
            last = rows[-1]
            cursor = (last.fire_at, last.execution_id, last.seq)
            self._horizon = last.fire_at + _MOMENT
            await asyncio.sleep(max(0.0, (last.fire_at - datetime.now(UTC)).total_seconds() / 2))

    async def deliver_delayed(self) -> None:
        """Move messages into the inbox when their time has come."""
        while True:
            self._delayed.clear()
            [moved] = await self._store.rows("deliver_due", partitions=self._owned, limit=_DELAYED_PAGE)
            if moved["delivered"]:
                self._arrived()
            wait_s = _LONGEST_SLEEP_S if moved["next_in_s"] is None else min(moved["next_in_s"], _LONGEST_SLEEP_S)
            try:
                async with asyncio.timeout(max(0.0, wait_s)):
                    await self._delayed.wait()
            except TimeoutError:
                continue

    def delay_changed(self) -> None:
        """A delayed message was committed."""
        self._delayed.set()

    def add_timers(self, partition: int, start: ExecutionStarted, timers: Iterable[TimerCreated]) -> None:
        """Wait for timers that are committed."""
        for timer in timers:
            fire_at = parse_utc(timer.fire_at)
            if fire_at < self._horizon:
                self._timers.add(DueTimer(fire_at, partition, start.instance_id, start.execution_id, timer.seq))

    async def _due_timers(self, cursor: TimerCursor, until: datetime) -> list[TimerRow]:
        since, execution_id, seq = cursor
        return await self._store.records(
            TimerRow,
            "due_timers",
            partitions=self._owned,
            since=since,
            execution_id=execution_id,
            seq=seq,
            until=until,
            limit=_TIMER_PAGE,
        )

    async def _refill(self, *, first: bool) -> None:
        limit = self._runner.begin_refill()
        rows = await self._store.records(TaskRow, "due_tasks", partitions=self._owned, limit=limit)
        if first and len(rows) < limit:
            self._runner.keep_outcomes({(str(row.execution_id), row.seq) for row in rows})
        self._runner.refill([_call(row) for row in rows], complete=len(rows) < limit, again=first)

    def _fire(self, timer: DueTimer) -> None:
        fired = TimerFired(datetime.now(UTC), timer.seq, utc_text(timer.fire_at))
        self._deliver(timer.instance_id, Incoming(fired, timer.execution_id))


def _call(row: TaskRow) -> ActivityCall:
    return ActivityCall(row.partition, row.instance_id, str(row.execution_id), row.seq, row.name, row.input, row.due_at)
