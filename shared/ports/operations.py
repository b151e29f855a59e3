"""What operations see of sagas, doubts, ledger, venue and queues, and the little they write."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from shared.domain.published import Json


class SagaState(StrEnum):
    """A stuck saga is in flight past its deadline."""

    IN_FLIGHT = "IN_FLIGHT"
    STUCK = "STUCK"
    FINISHED = "FINISHED"


@dataclass(frozen=True, slots=True)
class SagaRecord:
    """One saga; `unanswered` is None until it has submitted, `open_orders` counts members that have not ended."""

    saga_id: UUID
    state: SagaState
    claimed_at: datetime
    deadline: datetime
    finished_at: datetime | None
    orders: int
    open_orders: int
    unanswered: int | None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one step did to one order; `attempts` counts its repetitions."""

    order_id: UUID
    step: str
    outcome: str
    detail: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """One hold of an order, in paise of INR or shares of the asset."""

    order_id: UUID
    account: str
    asset: str
    amount: int
    captured: int
    released: int


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One ledger line of an order."""

    order_id: UUID
    transfer_no: int
    entry_id: UUID
    debit_account: str
    credit_account: str
    asset: str
    amount: int
    reason: str
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """One order of a saga."""

    user_id: UUID
    order_id: UUID
    instrument_id: str
    side: str
    quantity: int
    filled_quantity: int
    state: str
    pending_request: str | None
    owner: str
    deadline: datetime | None
    in_doubt: bool
    status_message: str


@dataclass(frozen=True, slots=True)
class SagaDetail:
    """A saga with everything its steps did, at one instant."""

    saga: SagaRecord
    members: Sequence[MemberRecord]
    steps: Sequence[StepRecord]
    holds: Sequence[HoldRecord]
    transfers: Sequence[TransferRecord]


@dataclass(frozen=True, slots=True)
class DoubtPosition:
    """Where a page of doubts ends, oldest first."""

    since: datetime
    order_id: UUID


@dataclass(frozen=True, slots=True)
class DoubtRecord:
    """An order in doubt, what is known of it, what its hold keeps, and who closed it."""

    order_id: UUID
    user_id: UUID
    since: datetime
    evidence: Json
    instrument_id: str
    side: str
    quantity: int
    filled_quantity: int
    submitted_at: datetime | None
    expire_at: datetime | None
    hold_asset: str | None
    hold_open: int | None
    state: str
    resolved_at: datetime | None
    resolved_by: UUID | None
    resolution: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A report of the exchange that contradicted the books."""

    parked_no: int
    parked_at: datetime
    reason: str
    order_id: UUID | None
    body: str


@dataclass(frozen=True, slots=True)
class AccountSum:
    """An account's sum over the ledger in paise or shares; `accounts` is what the clients' rows say, where it has any.

    Credits minus debits: what is owed to the account's owner.
    """

    account: str
    asset: str
    balance: int
    accounts: int | None


@dataclass(frozen=True, slots=True)
class LedgerSums:
    """Every account's sum at one instant; the checkpoint it was taken from, None before the first."""

    taken_at: datetime
    checkpoint_at: datetime | None
    sums: Sequence[AccountSum]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Rows that wait in one of our own tables, and since when the oldest does."""

    name: str
    waiting: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue of the bus; None where the bus does not tell."""

    name: str
    active: int | None
    dead_lettered: int | None
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that the bus gave up on, looked at without taking it."""

    queue: str
    sequence_number: int
    message_id: str | None
    enqueued_at: datetime | None
    delivery_count: int
    reason: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as the venue or we have it; `order_id` as text, because the venue's may be anything."""

    exec_id: str
    order_id: str
    quantity: int
    price: int


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """An order that lives at the venue, or that we hold to live there."""

    order_id: str
    quantity: int
    cum_quantity: int


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The answer that was given to a POST, byte for byte; `fingerprint` is of the body it answers."""

    fingerprint: bytes
    status: int
    body: str


class OperationsReader(Protocol):
    """Reads the main road as staff see it. All methods raise UnavailableError."""

    async def sagas(
        self, state: SagaState | None, order_id: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[SagaRecord]:
        """At most `limit` sagas, newest first, older than `before`; those of one order when it is given."""

    async def saga(self, saga_id: UUID) -> SagaDetail | None:
        """One saga whole, None when unknown."""

    async def doubts(self, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        """Open doubts, oldest first."""

    async def doubt(self, order_id: UUID) -> DoubtRecord | None:
        """The doubt of one order, open or closed."""

    async def parked(self, before: int | None, limit: int) -> Sequence[ParkedRecord]:
        """Parked reports, newest first."""

    async def backlogs(self) -> Sequence[Backlog]:
        """What waits in our outboxes and queues."""


class LedgerBook(Protocol):
    """The ledger as a whole."""

    async def sums(self) -> LedgerSums:
        """Every account's exact sum: checkpoint and tail of one snapshot."""

    async def take_checkpoint(self) -> bool:
        """Sum up everything older than every running transaction; False when nothing is new."""


class TradeDay(Protocol):
    """Our side of a reconciliation with a venue."""

    async def executions_by_id(
        self, venue: str, trade_date: date, exec_ids: Collection[str]
    ) -> Mapping[str, Execution]:
        """Those of our executions that have these ids."""

    def executions(self, venue: str, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        """All our executions of the day, page by page."""

    async def orders(self, order_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """State by order id, of those that are ours."""

    def working(self, venue: str) -> AsyncIterator[Sequence[LiveOrder]]:
        """All our orders that the venue has acknowledged and that have not ended, page by page."""


class VenueRecords(Protocol):
    """The venue's side of a reconciliation. Raises UnavailableError."""

    def executions(self, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        """All its executions of our orders on the day, page by page."""

    def live_orders(self) -> AsyncIterator[Sequence[LiveOrder]]:
        """All our orders that live there, page by page."""


class QueueInspector(Protocol):
    """Looks at the bus without taking anything. Raises UnavailableError."""

    async def figures(self) -> Sequence[QueueFigures]:
        """One entry a queue."""

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """The first dead-lettered messages of every queue."""


class Replies(Protocol):
    """Answers of POST calls other than placing an order, kept for their replay."""

    async def reply(self, user_id: UUID, key: str) -> StoredReply | None:
        """The stored answer."""

    async def store_reply(self, user_id: UUID, key: str, reply: StoredReply) -> StoredReply:
        """Store the answer unless there is one; returns the one that is stored."""
