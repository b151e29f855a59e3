"""Lets the entities of a session's partitions perform their operations: in order, one batch at a time.

Purpose: an entity's new state, its answers, its signals and the removal of the operations it performed are
one commit under the partition's fence, so every operation has its effect on the state exactly once, though
the function may be called again after a crash.
Rules: what waits is taken in order of arrival, as far as it is there. A batch that the function cannot answer
as a whole is taken apart until the operation that breaks it stands alone; that one is answered with the
error and leaves the state as it was. What the host does wrong is tried again later.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog

from emulators.durable.commits import CommitterClosedError, LeaseLostError
from emulators.durable.contract import FunctionFailed, Invoker
from emulators.durable.entities import (
    Batch,
    EntityId,
    EntityState,
    Operation,
    UnreadableBatchError,
    parse_batch,
    refuse,
    trigger_payload,
)
from emulators.durable.history import EventRaised
from emulators.durable.limits import LimitExceededError, check_payload
from emulators.durable.records import Commit, Incoming, record_batch
from emulators.durable.settings import HubSettings
from emulators.durable.store import Store
from emulators.durable.texts import storable
from emulators.durable.turn import Functions, RefusedError

_log = structlog.get_logger(__name__)

_LONGEST_PAUSE_S = 30.0
_OVERHEAD_BYTES = 1_000


@dataclass(slots=True)
class EntityActor:
    """One entity in memory; `state` is None while it is not read."""

    id: EntityId
    partition: int
    pending: list[Incoming] = field(default_factory=list)
    state: EntityState | None = None
    driven: bool = False
    failures: int = 0
    batch_limit: int = 0

    @property
    def size(self) -> int:
        """About how many bytes are kept in memory."""
        return _OVERHEAD_BYTES + len(self.state.state or "") if self.state is not None else 0


class EntityTurns:
    """The entities of one session."""

    def __init__(
        self,
        invoker: Invoker,
        settings: HubSettings,
        reads: Store,
        partitions: int,
        commit: Callable[[int, Callable[[Commit], None], Sequence[Incoming]], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._invoker = invoker
        self._functions = Functions.of((), (), invoker.entities)
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.max_entities)
        self._reads = reads
        self._partitions = partitions
        self._commit = commit
        self._spawn = spawn
        self._actors: OrderedDict[str, EntityActor] = OrderedDict()
        self._cached = 0

    def deliver(self, instance_id: str, partition: int, incoming: Incoming) -> None:
        """Give an operation to one of the entities."""
        actor = self._actors.get(instance_id)
        if actor is None:
            actor = EntityActor(EntityId.parse(instance_id), partition, batch_limit=self._settings.entity_batch)
            self._actors[instance_id] = actor
        actor.pending.append(incoming)
        self._drive_soon(actor)

    def _drive_soon(self, actor: EntityActor) -> None:
        if not actor.driven:
            actor.driven = True
            self._spawn(self._drive(actor), f"operations of {actor.id}")

    async def _drive(self, actor: EntityActor) -> None:
        try:
            while actor.pending:
                await self._take_batch(actor)
                actor.failures = 0
        except (psycopg.Error, CommitterClosedError, LeaseLostError):
            raise
        except Exception:  # noqa: BLE001 - logged below
            # A defect met by one entity must not stop the others: it is shown, and the entity tried again.
            _log.exception("entity could not be invoked", entity=str(actor.id))
            self._try_again_later(actor)
        finally:
            actor.driven = False
        self._retire(actor)

    async def _take_batch(self, actor: EntityActor) -> None:
        before = await self._state(actor)
        taken = actor.pending[: actor.batch_limit]
        operations = [_operation(incoming) for incoming in taken]
        batch = await self._perform(actor, before, operations)
        if batch is None:
            actor.batch_limit = max(1, len(taken) // 2)
            return
        now = datetime.now(UTC)
        await self._commit(
            actor.partition,
            lambda commit: record_batch(commit, actor.id, operations, batch, now, self._partitions),
            taken,
        )
        del actor.pending[: len(taken)]
        self._cached -= actor.size
        actor.state = batch.after
        self._cached += actor.size
        actor.batch_limit = self._settings.entity_batch

    async def _state(self, actor: EntityActor) -> EntityState:
        if actor.state is None:
            rows = await self._reads.rows("load_entity", instance_id=str(actor.id))
            actor.state = EntityState(exists=True, state=rows[0]["state"]) if rows else EntityState()
            self._cached += actor.size
        return actor.state

    async def _perform(self, actor: EntityActor, before: EntityState, operations: Sequence[Operation]) -> Batch | None:
        """The function's answer; None if a smaller batch has to be tried."""
        try:
            name = self._functions.entity(actor.id.name)
            async with self._slots:
                text = await self._invoker.run_entity(name, trigger_payload(actor.id, before, operations))
            batch = parse_batch(text, actor.id, len(operations))
            check_payload(f"The state of entity '{actor.id}'", batch.after.state)
        except (FunctionFailed, RefusedError, UnreadableBatchError, LimitExceededError) as failure:
            if len(operations) > 1:
                return None
            return refuse(before, storable(str(failure)), 1)
        return batch

    def _try_again_later(self, actor: EntityActor) -> None:
        actor.failures += 1
        delay_s = min(_LONGEST_PAUSE_S, 0.5 * 2**actor.failures)
        asyncio.get_running_loop().call_later(delay_s, self._drive_soon, actor)

    def _retire(self, actor: EntityActor) -> None:
        """Keep the states that were used last, as far as there is room."""
        if actor.pending:
            return
        self._actors.move_to_end(str(actor.id))
        while self._cached > self._settings.cache_bytes // 4 and self._evict_one():
            pass

    def _evict_one(self) -> bool:
        for instance_id, actor in self._actors.items():
            if not actor.driven and not actor.pending:
                self._cached -= actor.size
                del self._actors[instance_id]
                return True
        return False


def _operation(incoming: Incoming) -> Operation:
    assert isinstance(incoming.event, EventRaised)
    assert incoming.event.input is not None
    return Operation.from_text(incoming.event.input)
