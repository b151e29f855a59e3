"""Where the books are kept: one transaction that locks users, runs a plain function, writes what changed."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.domain.ledger.accounts import AssetKey
from shared.domain.ledger.books import Books
from shared.domain.ledger.entries import EntryKey
from shared.domain.ledger.holds import HoldPurpose
from shared.domain.orders.events import Resolution
from shared.domain.orders.order import Order, OrderKey
from shared.domain.orders.rejects import RejectCode
from shared.domain.sagas import Outcome, Step
from shared.json_values import Json
from shared.ports.outbox import ExchangeMessage, PublishedEffect


@dataclass(frozen=True, slots=True)
class Claim:
    """What makes a place-order call unique for its user."""

    user_id: UUID
    idempotency_key: str | None
    client_order_id: str | None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that was given, byte for byte; `fingerprint` is of the body it answers."""

    order_id: UUID
    fingerprint: bytes
    status: int
    body: str


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to put on record, accepted or refused, with the answer its caller gets."""

    order: Order
    idempotency_key: str | None
    answer: StoredAnswer


@dataclass(frozen=True, slots=True)
class SagaStep:
    """What one step did to one order; (saga, order, step) is unique, a repetition counts as an attempt.

    `reject_code` says why an order stands refused.
    """

    saga_id: UUID
    user_id: UUID
    order_id: UUID
    step: Step
    outcome: Outcome
    reject_code: RejectCode | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ParkedReport:
    """A report that contradicts the books, whole."""

    fingerprint: bytes
    body: str
    reason: str
    order_id: UUID | None


@dataclass(frozen=True, slots=True)
class Doubt:
    """An order whose state at the exchange could not be established, and what is known."""

    user_id: UUID
    order_id: UUID
    evidence: Json


@dataclass(frozen=True, slots=True)
class DoubtSettled:
    """Who closed an order in doubt, how, and on what evidence.

    `venue_status` is how the venue had the order, None when it did not know it or was not consulted.
    """

    user_id: UUID
    order_id: UUID
    resolved_by: UUID
    resolution: Resolution
    reference: str
    venue_consulted: bool
    venue_status: str | None


class ScopedFill(NamedTuple):
    """An execution of an order that the work may book: the trades of its security since then are loaded with it."""

    user_id: UUID
    order_id: UUID
    venue: str
    trade_date: str
    exec_id: str
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """What a unit of work may touch: these orders with their accounts and holds, new orders of these users, and
    whatever else is named. What is not named is not loaded, and the books refuse to write it.

    With entries, the securities among `assets` are loaded with all their trades: an entry may bring shares in, and what
    they had cost comes before every trade."""

    orders: Collection[OrderKey] = ()
    users: Collection[UUID] = ()
    fills: Collection[ScopedFill] = ()
    claims: Collection[Claim] = ()
    assets: Collection[AssetKey] = ()
    entries: Collection[EntryKey] = ()
    hold_purposes: Collection[HoldPurpose] = ()


@dataclass(slots=True)
class OrderRecordsOfUnit:
    """Beside the books: answers on record, new orders, reports that were parked, orders in doubt."""

    answers: dict[tuple[UUID, str], StoredAnswer] = field(default_factory=dict)
    client_order_ids: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    new: list[NewOrder] = field(default_factory=list)
    parked: list[ParkedReport] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    doubts_settled: list[DoubtSettled] = field(default_factory=list)


@dataclass(slots=True)
class SagaRecordsOfUnit:
    """Beside the books: what sagas did, and how many of their orders were submitted."""

    steps: list[SagaStep] = field(default_factory=list)
    submitted: Counter[UUID] = field(default_factory=Counter)


@dataclass(slots=True)
class Unit:
    """One unit of work: the books of the scope, and what else to write."""

    books: Books
    orders: OrderRecordsOfUnit = field(default_factory=OrderRecordsOfUnit)
    sagas: SagaRecordsOfUnit = field(default_factory=SagaRecordsOfUnit)


@dataclass(frozen=True, slots=True)
class Committed:
    """What the commit wrote and the caller now has to publish."""

    effects: Sequence[PublishedEffect] = ()
    outbox: Sequence[ExchangeMessage] = ()
    answered_sagas: Sequence[UUID] = ()
    effects_of: Collection[UUID] = ()
    """Ids of the commits that wrote the effects: what is to be marked when they have been published."""
    sequences: Mapping[UUID, int] = field(default_factory=dict)
    """The stream sequence of each locked user as the commit left it: that of the user's newest effect."""


class UsersBusyError(Exception):
    """Somebody else has these users' rows locked for longer than a batch should wait; nothing was changed."""

    def __init__(self, users: Collection[UUID]) -> None:
        super().__init__(f"{len(users)} user(s) are locked")
        self.users = frozenset(users)


class BookStore(Protocol):
    """The only way in which orders and money change."""

    async def work[T](self, scope: Scope, work: Callable[[Unit], T], *, brief: bool = False) -> tuple[T, Committed]:
        """Lock the scope's users in sorted order, load, run `work`, write, commit.

        `work` must depend on the unit alone: a deadlock or serialization failure runs it again on fresh books.
        Raises UnavailableError when the database is unavailable, or when a user stays locked for seconds; with `brief`,
        for a batch of several callers, UsersBusyError within a fraction of a second, so that the others need not wait.
        """
