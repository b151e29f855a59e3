"""Runs activities, at most so many at a time.

Purpose: an activity that was started is worth more than the connection over which it was scheduled: this
runner outlives sessions with the database, so an activity keeps running while PostgreSQL restarts and its
outcome is delivered to the session that follows.
Rules: one call runs at most once at a time in this process; its outcome is kept until `forget`, which is
called once the outcome is committed. At most `capacity` calls are in memory; `room` is set when those that
were left in the table can be read. A call may be for later (`due_at`): built-in HTTP calls poll that way.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from emulators.durable.contract import FunctionFailed, Invoker
from emulators.durable.history import HTTP_ACTIVITY, TaskCompleted, TaskFailed
from emulators.durable.http_calls import HttpCaller, HttpCallFailedError, Postponed
from emulators.durable.limits import LimitExceededError, check_payload
from emulators.durable.texts import storable

_log = structlog.get_logger(__name__)

type Key = tuple[str, int]
type Completion = TaskCompleted | TaskFailed
type Outcome = Completion | Postponed

_CAPACITY = 5_000


@dataclass(frozen=True, slots=True)
class ActivityCall:
    """One scheduled activity; `input` is the JSON text of its argument, `due_at` when it may begin."""

    partition: int
    instance_id: str
    execution_id: str
    seq: int
    name: str
    input: str | None
    due_at: datetime | None = None

    @property
    def key(self) -> Key:
        """What the call is known by: its execution and sequence id."""
        return self.execution_id, self.seq


class ActivityRunner:
    """Runs calls with the host's invoker and hands each outcome to `deliver`."""

    def __init__(self, invoker: Invoker, limit: int, http: HttpCaller | None = None) -> None:
        self._invoker = invoker
        self._limit = limit
        self._http = http or HttpCaller()
        self.capacity = max(_CAPACITY, 2 * limit)
        self.room = asyncio.Event()
        self._left_behind = False
        self._done_meanwhile: set[Key] | None = None
        self._later: dict[Key, asyncio.TimerHandle] = {}
        self._queue: deque[ActivityCall] = deque()
        self._calls: dict[Key, ActivityCall] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._outcomes: dict[Key, Outcome] = {}
        self._closed = False
        self.deliver: Callable[[ActivityCall, Outcome], None] | None = None

    def request(self, call: ActivityCall) -> None:
        """Run the call unless it is known; deliver its outcome again if it has one already."""
        outcome = self._outcomes.get(call.key)
        if outcome is not None:
            self._deliver(call, outcome)
        elif call.key in self._calls or self._closed:
            return
        elif len(self._calls) >= self.capacity:
            self._left_behind = True
        else:
            self._calls[call.key] = call
            self._admit(call)

    def begin_refill(self) -> int:
        """The table is about to be read: how many rows are enough to find some that are not known here."""
        self.room.clear()
        self._done_meanwhile = set()
        return self.capacity + len(self._calls) + len(self._outcomes)

    def refill(self, calls: Iterable[ActivityCall], *, complete: bool, again: bool = False) -> None:
        """Request calls that were read since `begin_refill`; `complete` if the table holds no others.

        Outcomes that are known are delivered `again` only if asked for: to a new session.
        """
        done, self._done_meanwhile = self._done_meanwhile or set(), None
        self._left_behind = not complete
        for call in calls:
            if call.key not in done and (again or call.key not in self._outcomes):
                self.request(call)

    def drop_replaced(self, instance_id: str, execution_id: str) -> None:
        """Forget what has not begun of the instance's other executions: this one took their place."""
        for call in [*self._calls.values()]:
            if call.instance_id == instance_id and call.execution_id != execution_id and call.key not in self._running:
                del self._calls[call.key]
                if (handle := self._later.pop(call.key, None)) is not None:
                    handle.cancel()

    def forget(self, keys: Iterable[Key]) -> None:
        """Their outcomes are committed."""
        for key in keys:
            self._outcomes.pop(key, None)
            if self._done_meanwhile is not None:
                self._done_meanwhile.add(key)

    def keep_outcomes(self, due: Set[Key]) -> None:
        """Forget the outcomes of calls that are no longer due here."""
        self._outcomes = {key: outcome for key, outcome in self._outcomes.items() if key in due}

    def close(self) -> None:
        """Begin nothing more."""
        self.drop_queued()
        self._closed = True

    def drop_queued(self) -> None:
        """Forget what has not begun: the next session asks for it again if it is still this worker's."""
        for call in self._queue:
            self._calls.pop(call.key, None)
        self._queue.clear()
        for key, handle in self._later.items():
            handle.cancel()
            self._calls.pop(key, None)
        self._later.clear()

    async def wait_for_running(self) -> None:
        """Wait until nothing runs."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def cancel_running(self) -> None:
        """Give up what runs; it will run again elsewhere."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._http.close()

    def _admit(self, call: ActivityCall) -> None:
        wait_s = 0.0 if call.due_at is None else (call.due_at - datetime.now(UTC)).total_seconds()
        if wait_s > 0:
            self._later[call.key] = asyncio.get_running_loop().call_later(wait_s, self._now_due, call)
        else:
            self._queue.append(call)
            self._start_waiting()

    def _now_due(self, call: ActivityCall) -> None:
        del self._later[call.key]
        self._queue.append(call)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._queue and len(self._running) < self._limit:
            call = self._queue.popleft()
            if self._calls.get(call.key) is not call:
                continue  # dropped
            self._running[call.key] = asyncio.create_task(self._run(call), name=f"activity {call.name}")

    async def _run(self, call: ActivityCall) -> None:
        outcome: Outcome | None = None
        try:
            outcome = await self._outcome(call)
            self._outcomes[call.key] = outcome
        finally:
            self._running.pop(call.key, None)
            self._calls.pop(call.key, None)
            self._start_waiting()
            if self._left_behind and len(self._calls) < self.capacity // 2:
                self.room.set()
        self._deliver(call, outcome)

    async def _outcome(self, call: ActivityCall) -> Outcome:
        if call.name == HTTP_ACTIVITY:
            return await self._request(call)
        try:
            result = await self._invoker.run_activity(call.name, call.input or "null", call.instance_id)
            check_payload(f"The result of activity function '{call.name}'", result)
        except FunctionFailed as failure:
            return _failed(call, _describe(failure))
        except LimitExceededError as refusal:
            return _failed(call, str(refusal))
        except Exception as error:  # noqa: BLE001 - whatever breaks in the host fails the call, as in Azure
            _log.exception("activity could not be invoked", activity=call.name, instance=call.instance_id)
            return _failed(call, f"{type(error).__name__}: {error}")
        return TaskCompleted(datetime.now(UTC), call.seq, storable(result))

    async def _request(self, call: ActivityCall) -> Outcome:
        try:
            answer = await self._http.call(call.input or "{}")
        except HttpCallFailedError as failure:
            return TaskFailed(datetime.now(UTC), call.seq, storable(str(failure)))
        return answer if isinstance(answer, Postponed) else TaskCompleted(datetime.now(UTC), call.seq, answer)

    def _deliver(self, call: ActivityCall, outcome: Outcome) -> None:
        if self.deliver is not None:
            self.deliver(call, outcome)


def _failed(call: ActivityCall, message: str) -> TaskFailed:
    return TaskFailed(datetime.now(UTC), call.seq, storable(f"Activity function '{call.name}' failed: {message}"))


def _describe(failure: FunctionFailed) -> str:
    text = str(failure)
    return text if text.startswith(failure.exception_type) else f"{failure.exception_type}: {text}"
