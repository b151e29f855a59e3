"""What PostgreSQL keeps for trading, in this process. The fakes of the ports beside it read and write it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.domain.charges.rate_cards import RateCards
from shared.domain.ledger.accounts import AssetKey, BalanceKey
from shared.domain.ledger.changes import ExecutionKey, Trade
from shared.domain.ledger.entries import EntryKey, Transfer
from shared.domain.ledger.holds import Balance, Hold, HoldKey
from shared.domain.lots import SecurityCost
from shared.domain.orders.order import Order, OrderKey
from shared.json_values import Json
from shared.ports.books import Doubt, DoubtSettled, ParkedReport, SagaStep, StoredAnswer
from shared.ports.notifications import StoredEffect


@dataclass(slots=True)
class Leaving[T]:
    """Something that was committed to be sent."""

    what: T
    since: datetime
    sent: bool = False

    def is_late(self, older_than: timedelta) -> bool:
        return not self.sent and self.since < datetime.now(UTC) - older_than


@dataclass(slots=True)
class MemorySaga:
    """A saga's row and its members."""

    members: list[OrderKey]
    taken_at: datetime
    deadline: datetime
    unanswered: int | None = None
    finished: bool = False


@dataclass(slots=True)
class StepTaken:
    """The newest outcome of a step for an order, and how often it ran."""

    step: SagaStep
    attempts: int = 1


@dataclass(slots=True)
class Memory:
    """Every table; `kyc` has a row for each user."""

    rate_cards: RateCards
    kyc: dict[UUID, str] = field(default_factory=dict)
    sequences: dict[UUID, int] = field(default_factory=dict)
    orders: dict[OrderKey, Order] = field(default_factory=dict)
    answers: dict[tuple[UUID, str], StoredAnswer] = field(default_factory=dict)
    history: dict[OrderKey, list[Json]] = field(default_factory=dict)
    balances: dict[BalanceKey, Balance] = field(default_factory=dict)
    holds: dict[HoldKey, Hold] = field(default_factory=dict)
    entries: set[EntryKey] = field(default_factory=set)
    transfers: list[Transfer] = field(default_factory=list)
    trades: dict[ExecutionKey, Trade] = field(default_factory=dict)
    costs: dict[AssetKey, SecurityCost] = field(default_factory=dict)
    waiting: list[OrderKey] = field(default_factory=list)
    sagas: dict[UUID, MemorySaga] = field(default_factory=dict)
    steps: dict[tuple[UUID, OrderKey, str], StepTaken] = field(default_factory=dict)
    signals: dict[UUID, Leaving[UUID]] = field(default_factory=dict)
    messages: dict[UUID, Leaving[object]] = field(default_factory=dict)
    commits: dict[UUID, Leaving[object]] = field(default_factory=dict)
    effects: dict[UUID, list[StoredEffect]] = field(default_factory=dict)
    """Of each user, in order of sequence."""
    parked: dict[bytes, ParkedReport] = field(default_factory=dict)
    doubts: dict[OrderKey, Doubt] = field(default_factory=dict)
    settled: dict[OrderKey, DoubtSettled | None] = field(default_factory=dict)
    """None: the exchange answered itself."""
    lanes: dict[str, int] = field(default_factory=dict)
    locked: set[UUID] = field(default_factory=set)
    """Users whose rows somebody else holds."""

    def add_user(self, user_id: UUID, kyc_status: str) -> None:
        self.kyc[user_id], self.sequences[user_id] = kyc_status, 1

    def note(self, step: SagaStep) -> None:
        """A step's outcome; a repetition counts as an attempt."""
        key = (step.saga_id, OrderKey(step.user_id, step.order_id), step.step)
        earlier = self.steps.get(key)
        self.steps[key] = StepTaken(step, 1 if earlier is None else earlier.attempts + 1)
