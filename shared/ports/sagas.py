"""Order sagas as staff see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.domain.sagas import SagaState


@dataclass(frozen=True, slots=True)
class SagaRecord:
    """One saga; `unanswered` is None until it has submitted, `open_orders` counts members that have not ended."""

    saga_id: UUID
    state: SagaState
    taken_at: datetime
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

    @property
    def open(self) -> int:
        """What it still keeps."""
        return self.amount - self.captured - self.released


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


class SagaReader(Protocol):
    """Reads sagas. Raises UnavailableError."""

    async def sagas(
        self, state: SagaState | None, order_id: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[SagaRecord]:
        """At most `limit` sagas, newest first, older than `before`; those of one order when it is given."""

    async def saga(self, saga_id: UUID) -> SagaDetail | None:
        """One saga whole, None when unknown."""
