"""Sagas' records in memory, and an engine that only remembers what it was asked."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from shared.domain.errors import UnavailableError
from shared.domain.orders.order import OrderKey, Owner, State
from shared.domain.sagas import Step
from shared.ports.books import SagaStep
from shared.ports.order_sagas import Slots
from tests.fakes.memory import Memory, MemorySaga

_AT_WORK_AFTER = timedelta(seconds=3)


class MemorySagaRecords:
    """`SagaRecords` on `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def take_waiting(self, slots: Slots, most_orders: int, deadline: datetime) -> UUID | None:
        waiting, in_flight = self._memory.waiting, [saga for saga in self._memory.sagas.values() if not saga.finished]
        since = datetime.now(UTC) - timedelta(seconds=1)
        at_work = [saga for saga in in_flight if saga.unanswered is None and saga.taken_at > since]
        if len(in_flight) >= slots.in_flight or len(at_work) >= slots.at_work or not waiting:
            return None
        members, self._memory.waiting = waiting[:most_orders], waiting[most_orders:]
        saga_id = uuid4()
        self._memory.sagas[saga_id] = MemorySaga(sorted(members, key=_order_id), datetime.now(UTC), deadline)
        return saga_id

    async def members(self, saga_id: UUID) -> list[OrderKey]:
        saga = self._memory.sagas.get(saga_id)
        return [] if saga is None else list(saga.members)

    async def unanswered(self, saga_id: UUID) -> int:
        saga = self._memory.sagas.get(saga_id)
        return 0 if saga is None else saga.unanswered or 0

    async def confirm(self, saga_id: UUID) -> tuple[int, list[OrderKey]]:
        members = await self.members(saga_id)
        orders = [self._memory.orders[key] for key in members]
        silent = [order.key for order in orders if order.state is State.SUBMITTED and order.answered_at is None]
        for order in orders:
            if order.key not in silent:
                self._memory.note(SagaStep(saga_id, *order.key, Step.CONFIRM, order.state, order.reject_code))
        if not silent and saga_id in self._memory.sagas:
            self._memory.sagas[saga_id].finished = True
        return len(members), silent

    async def finish(self, saga_id: UUID) -> None:
        if saga_id in self._memory.sagas:
            self._memory.sagas[saga_id].finished = True

    async def overdue_sagas(self) -> list[UUID]:
        now, began = datetime.now(UTC), {saga_id for saga_id, _, _ in self._memory.steps}
        late = [
            (saga.deadline, saga_id)
            for saga_id, saga in self._memory.sagas.items()
            if not saga.finished
            and (saga.deadline < now or (saga.taken_at < now - _AT_WORK_AFTER and saga_id not in began))
        ]
        return [saga_id for _, saga_id in sorted(late)]

    async def unsent_signals(self, older_than: timedelta) -> list[UUID]:
        return [each.what for each in self._memory.signals.values() if each.is_late(older_than)]

    async def signals_sent(self, saga_ids: Collection[UUID]) -> None:
        for saga_id in saga_ids:
            self._memory.signals[saga_id].sent = True

    async def overdue_orders(self, most: int) -> list[OrderKey]:
        watched, now = {Owner.VENUE, Owner.RECOVERY}, datetime.now(UTC)
        late = [
            (order.deadline, key)
            for key, order in self._memory.orders.items()
            if order.owner in watched and order.deadline is not None and order.deadline < now
        ]
        return [key for _, key in sorted(late)][:most]


def _order_id(key: OrderKey) -> UUID:
    return key.order_id


@dataclass
class RecordingSagas:
    """The engine: what was started, woken and recovered; `away` makes every call fail."""

    started: list[UUID] = field(default_factory=list)
    woken: list[UUID] = field(default_factory=list)
    recovering: list[OrderKey] = field(default_factory=list)
    away: bool = False

    async def start(self, saga_id: UUID) -> None:
        self._require_engine()
        self.started.append(saga_id)

    async def answered(self, saga_id: UUID) -> None:
        self._require_engine()
        self.woken.append(saga_id)

    async def recover(self, key: OrderKey) -> None:
        self._require_engine()
        self.recovering.append(key)

    def _require_engine(self) -> None:
        if self.away:
            raise UnavailableError("The saga engine is not available", retry_after_s=1)
