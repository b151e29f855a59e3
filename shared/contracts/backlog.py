"""What waits, over HTTP: our own tables, queues of the bus, dead letters, parked reports."""

from enum import StrEnum

from shared.contracts.common import Id, Instant, View


class TableBacklogView(View):
    """What waits in one of our own tables."""

    name: str
    waiting: int
    oldest_at: Instant | None


class QueueView(View):
    """One queue of the bus; null where the bus does not say."""

    name: str
    active: int | None
    dead_lettered: int | None
    oldest_at: Instant | None


class DeadLetterView(View):
    """A message that the bus gave up on; it stays where it is."""

    queue: str
    sequence_number: int
    message_id: str | None
    enqueued_at: Instant | None
    delivery_count: int
    reason: str | None
    description: str | None


class ParkedReportView(View):
    """A report of the exchange that contradicted the books."""

    parked_no: int
    parked_at: Instant
    reason: str
    order_id: Id | None
    body: str


class BusState(StrEnum):
    """Whether the bus answers."""

    UP = "UP"
    DOWN = "DOWN"


class BacklogView(View):
    """Everything that waits. `bus` is DOWN when the queues could not be looked at."""

    bus: BusState
    tables: list[TableBacklogView]
    queues: list[QueueView]
    dead_letters: list[DeadLetterView]
    parked_reports: list[ParkedReportView]
