"""A worker's work while it holds its partitions: from messages, timers and activities to committed turns.

Purpose: everything in memory that depends on the leases and the connection lives here and is thrown away
with them; what comes after is rebuilt from the tables.
Rules: a turn is computed first and committed once, together with what it consumed and caused. Only then
activities start, timers are set and other instances are notified. A turn of an execution that was replaced
meanwhile commits nothing but what it consumed. Any failure of the database, and any lost lease, ends the session.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
import structlog

from emulators.durable.activities import ActivityCall, ActivityRunner, Outcome
from emulators.durable.actor import Actor, Discard, Park, next_step
from emulators.durable.actors import Actors
from emulators.durable.commits import CommitterClosedError, GroupCommitter, LeaseLostError
from emulators.durable.contract import Invoker
from emulators.durable.entities import is_entity
from emulators.durable.entity_turns import EntityTurns
from emulators.durable.execution import Execution
from emulators.durable.history import (
    ExecutionRewound,
    ExecutionStarted,
    TaskScheduled,
    TimerCreated,
    event_from_json,
)
from emulators.durable.http_calls import Postponed
from emulators.durable.intake import Intake
from emulators.durable.mailbox import Mailbox
from emulators.durable.records import (
    Commit,
    Incoming,
    Letter,
    consume,
    end_task,
    park,
    partition_of,
    postpone,
    record,
    task_keys,
)
from emulators.durable.replayer import Replayer
from emulators.durable.settings import HubSettings, Overridable
from emulators.durable.store import Store
from emulators.durable.turn import CONTINUED_AS_NEW, FINISHED, SUSPENDED, Turn, fail
from emulators.durable.turn_commits import Answer, commit_turns

_log = structlog.get_logger(__name__)

_SUSPECT_S = 30.0


class Session:
    """Takes turns for the partitions in `epochs` (partition → fencing token) until something fails."""

    def __init__(
        self,
        stores: Mapping[str, Store],
        worker: str,
        partitions: int,
        epochs: Mapping[int, int],
        settings: HubSettings,
        invoker: Invoker,
        runner: ActivityRunner,
        channel: str,
    ) -> None:
        self._commits, self._reads = stores["commits"], stores["reads"]
        self._worker = worker
        self._partitions = partitions
        self._epochs = epochs
        self._settings = settings
        self._replayer = Replayer(invoker, settings.max_orchestrators, settings.versioning)
        self._runner = runner
        self._channel = channel
        self._actors = Actors(partitions, settings.cache_bytes)
        self._committer: GroupCommitter[Commit, Answer] = GroupCommitter(partial(commit_turns, self._commits, worker))
        self.mailbox = Mailbox(self._reads, sorted(epochs), self.deliver)
        self._sources = Intake(self._reads, sorted(epochs), runner, self.deliver, self.mailbox.wake)
        self._entities = EntityTurns(invoker, settings, self._reads, partitions, self._commit_effects, self._spawn)
        self._alive = False
        self._drives: set[asyncio.Task[None]] = set()
        self._intake: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Work until cancelled; ends with the exception group of what failed."""
        self._failure = asyncio.get_running_loop().create_future()
        self._alive = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._committer.run(), name="durable commits")
                tasks.create_task(self._watch(), name="durable turns")
                self._runner.deliver = self._completed
                await self._sources.resume_tasks()
                self._intake = [
                    tasks.create_task(self._sources.keep_tasks_coming(), name="durable activities"),
                    tasks.create_task(self._sources.move_horizon(), name="durable timer horizon"),
                    tasks.create_task(self._sources.run_timers(), name="durable timers"),
                    tasks.create_task(self._sources.deliver_delayed(), name="durable delayed messages"),
                    tasks.create_task(self.mailbox.run(), name="durable mailbox"),
                ]
        finally:
            self._alive = False
            await _cancel(self._drives)

    async def settle(self) -> None:
        """Take in nothing more, and return once the turns that run are committed."""
        await _cancel(self._intake)
        while self._drives:
            await asyncio.wait(self._drives)

    def owns(self, partition: int) -> bool:
        """True if this session takes the turns of the partition's instances."""
        return self._alive and partition in self._epochs

    def notice(self, what: str, partitions: Iterable[int]) -> None:
        """Another process committed something for these partitions."""
        if not any(map(self.owns, partitions)):
            return
        if what == "delayed":
            self._sources.delay_changed()
        else:
            self.mailbox.wake()

    def deliver(self, instance_id: str, incoming: Incoming) -> None:
        """Give an event to an instance of one of this session's partitions."""
        if is_entity(instance_id):
            self._entities.deliver(instance_id, partition_of(instance_id, self._partitions), incoming)
            return
        actor = self._actors.of(instance_id)
        actor.pending.append(incoming)
        self._drive_soon(actor)

    def reserve(self, letters: Iterable[Letter]) -> list[Letter]:
        """The letters that are for this session: each must be given to `post` or `release` after its commit."""
        kept = [letter for letter in letters if self.owns(letter.partition) or letter.refusal is not None]
        self.mailbox.reserve(letter.incoming for letter in kept)
        return kept

    def release(self, letters: Sequence[Letter]) -> None:
        """These letters were not committed, as far as is known; if they were after all, a sweep brings them."""
        if letters:
            self.mailbox.release(letter.message for letter in letters)

    def post(self, letter: Letter) -> bool:
        """Deliver a reserved letter that is committed; False if its instance is not this session's."""
        if not self.owns(letter.partition):
            return False
        if self.mailbox.claim(letter.message):
            self.deliver(letter.instance_id, letter.incoming)
        return True

    async def _watch(self) -> None:
        """End the session with the first failure of a turn."""
        raise await self._failure

    def _completed(self, call: ActivityCall, outcome: Outcome) -> None:
        if not self.owns(call.partition):
            return
        if isinstance(outcome, Postponed):
            self._spawn(self._postpone(call, outcome), f"next poll of {call.instance_id}")
        else:
            self.deliver(call.instance_id, Incoming(outcome, call.execution_id))

    async def _postpone(self, call: ActivityCall, outcome: Postponed) -> None:
        rows = await self._reads.rows("load_instance", instance_id=call.instance_id)
        commit = self._new_commit(call.partition)
        if not rows or rows[0]["status"] in FINISHED or str(rows[0]["execution_id"]) != call.execution_id:
            end_task(commit, call.execution_id, call.seq)
            await self._committer.submit(commit)
            self._runner.forget([call.key])
            return
        postpone(commit, call.execution_id, call.seq, outcome.input, outcome.due_at)
        await self._committer.submit(commit)
        self._runner.forget([call.key])
        self._runner.request(replace(call, input=outcome.input, due_at=outcome.due_at))

    # -- turns ---------------------------------------------------------------------------------------

    def _drive_soon(self, actor: Actor) -> None:
        if actor.driven or not self._alive:
            return
        actor.driven = True
        self._spawn(self._drive(actor), f"turns of {actor.instance_id}")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a part of this session's work; its failure ends the session."""
        task = asyncio.create_task(work, name=name)
        self._drives.add(task)
        task.add_done_callback(self._drove)

    def _drove(self, task: asyncio.Task[None]) -> None:
        self._drives.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._failure.done():
            self._failure.set_result(error)

    async def _drive(self, actor: Actor) -> None:
        try:
            while actor.pending and await self._take_step(actor):
                actor.failures = 0
        except (psycopg.Error, CommitterClosedError, LeaseLostError):
            raise
        except Exception:  # noqa: BLE001 - logged below
            # A defect met by one instance must not stop the others: it is shown, and the instance tried again.
            _log.exception("turn failed", instance=actor.instance_id)
            self._actors.forget_execution(actor)
            self._try_again_later(actor)
        finally:
            actor.driven = False
        self._actors.retire(actor)

    async def _take_step(self, actor: Actor) -> bool:
        """Take one step; False if the instance has to wait for something to arrive."""
        if actor.in_question:
            return await self._ask_row(actor)
        execution = actor.execution or self._begin(actor)
        step = next_step(actor, execution)
        if step is None:
            return False
        if isinstance(step, Park):
            await self._park(actor, step)
            return True
        if isinstance(step, Discard):
            await self._commit(actor, None, None, step.handled)
            return True
        turn = await self._replayer.turn(execution, step, datetime.now(UTC))
        if turn is None:
            self._try_again_later(actor)
            return False
        await self._commit_turn(actor, execution, turn, step.handled)
        return True

    def _begin(self, actor: Actor) -> Execution:
        """Take up the execution that waits to begin; if it was replaced, its first commit fails."""
        execution = actor.fresh()
        assert execution is not None
        self._take_up(actor, execution)
        if self._settings.overridable is Overridable.ANY:
            self._runner.drop_replaced(actor.instance_id, execution.start.execution_id)
        return execution

    def _take_up(self, actor: Actor, execution: Execution, *, suspended: bool = False) -> None:
        self._actors.keep(actor, execution)
        actor.suspended = suspended

    async def _ask_row(self, actor: Actor) -> bool:
        """Have in memory what the instance's row says, and consume without effect what is for anything else.

        False if nothing is left to do: the row's own start may still be on its way.
        """
        waiting = list(actor.pending)  # what comes while the row is read may be newer than the row
        rows = await self._reads.rows("load_instance", instance_id=actor.instance_id)
        row = rows[0] if rows and rows[0]["status"] not in FINISHED else None
        current = (str(row["execution_id"]), str(row["incarnation"])) if row is not None else ("", "")
        if actor.execution_id != current[0]:
            self._actors.forget_execution(actor)
        if row is not None and actor.execution is None and actor.fresh(current[0]) is None:
            await self._load(actor, row)
        stale = [incoming for incoming in waiting if row is None or not incoming.is_for(*current)]
        if stale:
            await self._commit(actor, None, None, stale)
        return not actor.in_question or len(actor.pending) > len(waiting) - len(stale)

    async def _load(self, actor: Actor, row: Mapping[str, Any]) -> None:
        chunks = await self._reads.rows("load_history", execution_id=row["execution_id"])
        if chunks:
            events = ([event_from_json(data) for data in chunk["events"]] for chunk in chunks)
            execution = Execution.restore(events, str(row["incarnation"]))
            self._take_up(actor, execution, suspended=row["status"] == SUSPENDED)

    def _try_again_later(self, actor: Actor) -> None:
        actor.failures += 1
        delay_s = min(_SUSPECT_S, 0.5 * 2**actor.failures)
        asyncio.get_running_loop().call_later(delay_s, self._drive_soon, actor)

    # -- commits -------------------------------------------------------------------------------------

    async def _commit_turn(self, actor: Actor, execution: Execution, turn: Turn, handled: Sequence[Incoming]) -> None:
        try:
            await self._commit(actor, execution, turn, handled)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            _log.warning("turn cannot be stored", instance=actor.instance_id, error=str(error))
            turn = fail(execution, turn.events[:1], f"The history of this turn cannot be stored: {error}")
            await self._commit(actor, execution, turn, handled)

    async def _commit(
        self, actor: Actor, execution: Execution | None, turn: Turn | None, handled: Sequence[Incoming]
    ) -> None:
        commit = self._new_commit(actor.partition)
        consume(commit, None, handled)
        if execution is not None and turn is not None:
            record(commit, execution, turn, self._partitions)
        answer = await self._submit(commit)
        actor.drop(handled)
        self._forget(handled)
        if answer.replaced:
            self._actors.forget_execution(actor)
            return
        if execution is not None and turn is not None:
            self._apply(actor, execution, turn)
        await self._send(commit, answer.refused)

    async def _commit_effects(
        self, partition: int, effects: Callable[[Commit], None], handled: Sequence[Incoming]
    ) -> None:
        """Commit what an entity did together with the operations that it did."""
        commit = self._new_commit(partition)
        consume(commit, None, handled)
        effects(commit)
        answer = await self._submit(commit)
        self._forget(handled)
        await self._send(commit, answer.refused)

    async def _submit(self, commit: Commit) -> Answer:
        """Commit with what is sent to this session's own instances announced, and nothing announced if it fails."""
        self.reserve(commit.letters)
        try:
            answer = await self._committer.submit(commit)
        except psycopg.Error:
            self.mailbox.forget(letter.message for letter in commit.letters)
            raise
        if answer.replaced:
            self.mailbox.forget(letter.message for letter in commit.letters)
        return answer

    def _new_commit(self, partition: int) -> Commit:
        return Commit(partition, self._epochs[partition])

    async def _park(self, actor: Actor, step: Park) -> None:
        commit = self._new_commit(actor.partition)
        parked = [park(commit, actor.instance_id, outcome) for outcome in step.outcomes]
        self.mailbox.reserve(parked)
        await self._committer.submit(commit)
        actor.drop(step.outcomes)
        actor.pending += [kept for kept in parked if kept.message is not None and self.mailbox.claim(kept.message)]
        self._forget(step.outcomes)

    def _forget(self, handled: Iterable[Incoming]) -> None:
        self.mailbox.forget(incoming.message for incoming in handled if incoming.message is not None)
        self._runner.forget(task_keys(handled))

    def _apply(self, actor: Actor, execution: Execution, turn: Turn) -> None:
        if turn.status in FINISHED or turn.status == CONTINUED_AS_NEW:
            self._actors.forget_execution(actor)
        else:
            execution.record(turn.events)
            self._actors.keep(actor, execution)
            actor.suspended = turn.status == SUSPENDED
        if turn.status == CONTINUED_AS_NEW:
            return
        self._schedule(actor, execution.start, turn.activities, turn.timers)
        if turn.status not in FINISHED and any(isinstance(event, ExecutionRewound) for event in turn.events):
            again = [execution.scheduled[seq] for seq in execution.open]
            tasks = [event for event in again if isinstance(event, TaskScheduled)]
            self._schedule(actor, execution.start, tasks, [event for event in again if isinstance(event, TimerCreated)])

    def _schedule(
        self, actor: Actor, start: ExecutionStarted, tasks: Iterable[TaskScheduled], timers: Iterable[TimerCreated]
    ) -> None:
        for event in tasks:
            self._runner.request(
                ActivityCall(actor.partition, start.instance_id, start.execution_id, event.seq, event.name, event.input)
            )
        self._sources.add_timers(actor.partition, start, timers)

    async def _send(self, commit: Commit, refused: frozenset[str]) -> None:
        if commit.rows["delayed"]:
            # Whoever owns the targets looks again; it may be this session.
            self._sources.delay_changed()
            later = {row["partition"] for row in commit.rows["delayed"] if not self.owns(row["partition"])}
            await self._wake("delayed", later)
        elsewhere: set[int] = set()
        for letter in commit.letters:
            going = letter
            if letter.refusal is not None and str(letter.message) in refused:
                going = letter.refusal
            if not self.post(going):
                self.mailbox.forget([going.message])
                elsewhere.add(going.partition)
        await self._wake("arrived", elsewhere)

    async def _wake(self, what: str, partitions: Collection[int]) -> None:
        if partitions:
            await self._reads.wake(self._channel, list(partitions), what)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
