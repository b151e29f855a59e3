"""The ports over the ledger, on the fakes and on PostgreSQL: every test of a contract runs against both."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.missing_reports import PostgresLanePositions
from shared.adapters.postgres.notifications import PostgresStreams
from shared.adapters.postgres.order_sagas import PostgresSagaRecords
from shared.adapters.postgres.orders import PostgresOrderRecords
from shared.adapters.postgres.outbox import PostgresOutbox
from shared.application.orders.intake import Intake
from shared.domain.ledger.accounts import INR, Account, AssetKey
from shared.domain.ledger.entries import Entry, EntrySource, Leg, LegReason
from shared.domain.orders.events import Event, Filled, FundsHeld, Refused, Submitted
from shared.domain.orders.order import Order, OrderKey
from shared.domain.orders.terms import Product
from shared.domain.products import POLICIES
from shared.ports.books import BookStore, Committed, Scope, StoredAnswer, Unit
from shared.ports.missing_reports import LanePositions
from shared.ports.notifications import StreamReader
from shared.ports.order_sagas import SagaRecords, Slots
from shared.ports.orders import OrderRecords
from shared.ports.outbox import Outbox
from tests.fakes.books import MemoryBooks
from tests.fakes.memory import Memory
from tests.fakes.missing_reports import MemoryLanePositions
from tests.fakes.notifications import MemoryStreams
from tests.fakes.order_sagas import MemorySagaRecords
from tests.fakes.orders import MemoryOrderRecords
from tests.fakes.outbox import MemoryOutbox
from tests.support.broker import a_candidate, scope_of, scoped_fill
from tests.support.intraday import Intraday
from tests.support.values import INFY, RATE_CARDS

CASH, SHARES = 10**9, 1_000
_POLICIES = {**POLICIES, Product.MIS: Intraday()}


@dataclass(frozen=True)
class Store:
    """One implementation of the ports over the ledger, with short ways to fill it."""

    books: BookStore
    orders: OrderRecords
    sagas: SagaRecords
    outbox: Outbox
    lanes: LanePositions
    streams: StreamReader
    add_user: Callable[[UUID, str], None]
    locked: Callable[[UUID], AbstractContextManager[None]]
    """Somebody else holds the user's row."""

    async def open(self, kyc_status: str = "ACTIVE", cash: int = CASH, shares: int = SHARES) -> UUID:
        """A new user with money and shares of INFY."""
        user_id = uuid4()
        self.add_user(user_id, kyc_status)
        legs = (
            Leg(Account.BANK, Account.CASH, INR, cash, LegReason.OPENING_DEPOSIT),
            Leg(Account.DEPOSITORY, Account.HOLDINGS, INFY, shares, LegReason.OPENING_DEPOSIT),
        )
        await self.post(Entry(user_id, uuid4(), EntrySource.OPENING, legs))
        return user_id

    async def post(self, entry: Entry) -> bool:
        assets = {AssetKey(entry.user_id, leg.asset) for leg in entry.legs if entry.user_id is not None}
        posted, _ = await self.books.work(
            Scope(entries=[entry.key], assets=assets), lambda unit: unit.books.post(entry)
        )
        return posted

    async def take(self, user_id: UUID, key: str | None = None, **changes: Any) -> StoredAnswer:
        """Put an order on record; its answer."""
        return (await Intake(self.books).take(a_candidate(key, user_id=user_id, **changes))).answer

    async def place(self, user_id: UUID, **changes: Any) -> OrderKey:
        """An order on record, waiting for a saga."""
        return OrderKey(user_id, (await self.take(user_id, **changes)).order_id)

    async def take_waiting(
        self, most_sagas: int = 100, most_orders: int = 100, within_s: float = 30, *, at_work: int = 100
    ) -> UUID | None:
        slots = Slots(most_sagas, at_work)
        return await self.sagas.take_waiting(slots, most_orders, datetime.now(UTC) + timedelta(seconds=within_s))

    async def submit(self, key: OrderKey, *events: Event) -> Committed:
        """Apply events to one order in one unit of work."""

        def work(unit: Unit) -> None:
            for event in events:
                unit.books.submit(key, event)

        return (await self.books.work(scope_of(key, *events), work))[1]

    async def fill(self, *fills: tuple[OrderKey, Filled]) -> None:
        """Book executions of several orders together."""

        def work(unit: Unit) -> None:
            for key, event in fills:
                unit.books.submit(key, event)

        scope = Scope(orders=[key for key, _ in fills], fills=[scoped_fill(*each) for each in fills])
        await self.books.work(scope, work)

    async def send(self, saga_id: UUID, *keys: OrderKey, answer_by: datetime | None = None) -> Committed:
        """Hold and submit the orders of a saga, and count them as submitted."""

        def work(unit: Unit) -> None:
            for key in keys:
                unit.books.reserve(key, FundsHeld(saga_id, _soon()), _never)
                unit.books.submit(key, Submitted(_soon(), answer_by or _soon()))
                unit.sagas.submitted[saga_id] += 1

        return (await self.books.work(Scope(orders=keys), work))[1]

    async def rewrite(self, key: OrderKey, change: Callable[[Order], Order]) -> Order:
        """Write an order as it could never become by an event."""

        def work(unit: Unit) -> Order:
            unit.books.orders[key] = change(unit.books.orders[key])
            unit.books.changes.orders.add(key)
            return unit.books.orders[key]

        return (await self.books.work(Scope(orders=[key]), work))[0]

    async def found(self, key: OrderKey) -> Order:
        order = await self.orders.get(*key)
        assert order is not None
        return order


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=30)


def _never(required: int, available: int) -> Refused:
    raise AssertionError(f"{available} is less than {required}")


@pytest.fixture
def memory_store() -> Store:
    memory = Memory(RATE_CARDS)

    @contextmanager
    def locked(user_id: UUID) -> Iterator[None]:
        memory.locked.add(user_id)
        yield
        memory.locked.remove(user_id)

    return Store(
        MemoryBooks(memory, _POLICIES),
        MemoryOrderRecords(memory),
        MemorySagaRecords(memory),
        MemoryOutbox(memory),
        MemoryLanePositions(memory),
        MemoryStreams(memory),
        memory.add_user,
        locked,
    )


@pytest.fixture
async def postgres_store(database: Database, postgres_url: str) -> Store:
    def add_user(user_id: UUID, kyc_status: str) -> None:
        with psycopg.connect(postgres_url) as connection:
            connection.execute(
                "INSERT INTO users (user_id, display_name, kyc_status) VALUES (%s, 'A user', %s)", (user_id, kyc_status)
            )

    @contextmanager
    def locked(user_id: UUID) -> Iterator[None]:
        with psycopg.connect(postgres_url) as connection:
            connection.execute("SELECT FROM users WHERE user_id = %s FOR UPDATE", (user_id,))
            yield

    return Store(
        PostgresBooks(database, RATE_CARDS, _POLICIES),
        PostgresOrderRecords(database),
        PostgresSagaRecords(database),
        PostgresOutbox(database),
        PostgresLanePositions(database),
        PostgresStreams(database),
        add_user,
        locked,
    )


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(f"{request.param}_store")
