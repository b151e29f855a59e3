"""The order core on a real database, with recording fakes only for engine, exchange and clients."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import orjson
import psycopg

from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.postgres.missing_reports import PostgresLanePositions
from shared.adapters.postgres.notifications import PostgresStreams
from shared.adapters.postgres.order_sagas import PostgresSagaRecords
from shared.adapters.postgres.orders import PostgresOrderRecords
from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.redis.rate_limits import LocalRequestCounter
from shared.adapters.reference import load_reference_data
from shared.application.orders.intake import Candidate, Intake
from shared.application.orders.place import Rules
from shared.application.rate_limits import RateLimits
from shared.application.timing import Timing
from shared.composition.trading import TradingPorts, wire_trading
from shared.domain.ids import new_order_id
from shared.domain.ledger.accounts import INR, Account, AssetKey
from shared.domain.ledger.entries import Entry, EntrySource, Leg, LegReason
from shared.domain.orders.events import Filled
from shared.domain.orders.order import Order, OrderKey
from shared.ports.books import Claim, Scope, ScopedFill
from shared.ports.order_sagas import Slots
from tests.fakes.dispatch_hints import MemoryDispatchHints
from tests.fakes.order_sagas import RecordingSagas
from tests.fakes.outbox import RecordingAudience, RecordingExchange
from tests.fakes.wakeups import MemoryWakeups
from tests.support.values import ALICE, BOB, INFY, SPACE, an_order

REFERENCE = load_reference_data()
RULES = Rules(REFERENCE.instruments, REFERENCE.limits, REFERENCE.rate_cards)
CALENDAR = REFERENCE.calendars["continuous"]
CALENDARS = REFERENCE.markets["continuous"]
CASH, SHARES = 10**11, 10**5
_USER = "INSERT INTO users (user_id, display_name, kyc_status) VALUES (%s, 'A user', 'ACTIVE')"


class Broker:
    """One process's core. Two of them on one database are two processes."""

    def __init__(
        self, database: Database, url: str, timing: Timing | None = None, *, gather_marks_s: float = 0
    ) -> None:
        self.url = url
        self.timing = timing or Timing()
        self.sagas, self.exchange, self.audience = RecordingSagas(), RecordingExchange(), RecordingAudience()
        self.books, self.records = PostgresBooks(database, REFERENCE.rate_cards), PostgresSagaRecords(database)
        self.orders, self.outbox = PostgresOrderRecords(database), PostgresOutbox(database)
        self.hints = MemoryDispatchHints()
        ports = TradingPorts(
            books=self.books,
            orders=self.orders,
            sagas=self.records,
            outbox=self.outbox,
            exchange=self.exchange,
            audience=self.audience,
            wakeups=MemoryWakeups(),
            dispatch_hints=self.hints,
            market=PostgresMarket(database, CALENDARS),
            lanes=PostgresLanePositions(database),
            streams=PostgresStreams(database),
            venue=None,
        )
        limiter = RateLimits(LocalRequestCounter(), REFERENCE.rate_limits)
        trading = wire_trading(
            ports, RULES, self.timing, limiter, sagas_in_flight=50, orders_per_saga=200, gather_marks_s=gather_marks_s
        )
        self.place_orders = trading.place_orders
        self.saga, self.reports, self.recovery = trading.order_saga, trading.execution_reports, trading.recovery
        self.publisher, self.dispatcher, self.sweep = trading.publisher, trading.dispatcher, trading.sweep
        self.intake = Intake(self.books)

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read or change rows beside the core."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *parameters: Any) -> Any:
        return self.rows(statement, *parameters)[0][0]

    async def open_accounts(self, users: Iterable[UUID] = (ALICE, BOB), cash: int = CASH, shares: int = SHARES) -> None:
        """Users with a deposit of cash and of INFY, through the ledger."""
        for user in users:
            self.rows(_USER, user)
            legs = [Leg(Account.BANK, Account.CASH, INR, cash, LegReason.OPENING_DEPOSIT)]
            legs += [Leg(Account.DEPOSITORY, Account.HOLDINGS, INFY, shares, LegReason.OPENING_DEPOSIT)]
            entry = Entry(user, uuid5(user, "deposit"), EntrySource.OPENING, tuple(legs))
            await self.post(entry)

    async def post(self, entry: Entry) -> bool:
        """An entry without an order."""
        assert entry.user_id is not None
        scope = Scope(entries=[entry.key], assets={AssetKey(entry.user_id, leg.asset) for leg in entry.legs})
        return (await self.books.work(scope, lambda unit: unit.books.post(entry)))[0]

    async def place(self, count: int = 1, **changes: Any) -> list[OrderKey]:
        """Orders on record, waiting for a saga."""
        taken = [await self.intake.take(a_candidate(**changes)) for _ in range(count)]
        return [OrderKey(changes.get("user_id", ALICE), each.answer.order_id) for each in taken]

    async def take_waiting(self, most_orders: int = 200) -> UUID | None:
        return await self.records.take_waiting(Slots(50, 50), most_orders, datetime.now(UTC) + self.timing.saga)

    async def submitted(self, count: int = 1, **changes: Any) -> tuple[UUID, list[OrderKey]]:
        """Orders of one saga at the exchange."""
        keys = await self.place(count, **changes)
        saga_id = await self.take_waiting()
        assert saga_id is not None
        await self.saga.reserve_funds(saga_id, self.sagas)
        await self.saga.submit_to_exchange(saga_id, self.sagas)
        # It looks for waiting orders in the background: not for those that the test places next.
        await self.dispatcher.run(self.sagas)
        return saga_id, keys

    async def order(self, key: OrderKey) -> Order:
        found = await self.orders.get(*key)
        assert found is not None
        return found

    async def receive(self, *reports: dict[str, Any]) -> None:
        await self.reports.book([orjson.dumps({"version": 1, "reports": list(reports)})], self.sagas)

    async def change(self, key: OrderKey, *events: Any) -> Order:
        """Submit events past the use cases."""

        def work(unit: Any) -> Order:
            for event in events:
                order = unit.books.submit(key, event)
            return order  # type: ignore[no-any-return]

        return (await self.books.work(scope_of(key, *events), work))[0]


def a_candidate(key: str | None = None, **changes: Any) -> Candidate:
    """A request to place `fresh_order`, judged and accepted."""
    order = fresh_order(**changes)
    return Candidate(order, None, Claim(order.user_id, key, order.client_order_id), b"fingerprint", "request-1")


def fresh_order(**changes: Any) -> Order:
    """An order of today that just arrived."""
    at = datetime.now(UTC)
    user_id = changes.get("user_id", ALICE)
    values: dict[str, Any] = {
        "order_id": new_order_id(user_id, int(at.timestamp() * 1e9), uuid4().int),
        "trade_date": CALENDAR.trade_date(at).isoformat(),
        "accepted_at": at,
        "updated_at": at,
        "deadline": at + timedelta(seconds=30),
    }
    return an_order(**(values | changes))


def scope_of(key: OrderKey, *events: object) -> Scope:
    """What the order's events may touch."""
    return Scope(orders=[key], fills=[scoped_fill(key, event) for event in events if isinstance(event, Filled)])


def scoped_fill(key: OrderKey, event: Filled) -> ScopedFill:
    """The fill as a scope names it."""
    return ScopedFill(*key, event.venue, event.trade_date, event.exec_id, event.executed_at)


def a_user(number: int) -> UUID:
    return uuid5(SPACE, f"user {number}")


def report(key: OrderKey, exec_type: str = "NEW", **changes: Any) -> dict[str, Any]:
    """One entry of the execution-reports queue."""
    user_id, order_id = key
    return {
        "exec_type": exec_type,
        "exec_id": uuid4().hex,
        "venue": "NSE",
        "trade_date": CALENDAR.trade_date(datetime.now(UTC)).isoformat(),
        "account": str(user_id),
        "order_id": str(order_id),
        "request_id": str(order_id),
        "instrument_id": "NSE:INFY",
        "side": "BUY",
        "exchange_order_id": "X1",
        "order_status": "NEW",
        "cum_quantity": 0,
        "leaves_quantity": 10,
        "transact_time": datetime.now(UTC).isoformat(),
    } | changes


def fill(key: OrderKey, quantity: int = 10, price: str = "1500.00", cum: int = 10, **changes: Any) -> dict[str, Any]:
    return report(
        key,
        "TRADE",
        **({"order_status": "PARTIALLY_FILLED", "cum_quantity": cum, "leaves_quantity": 10 - cum} | changes),
        last_quantity=quantity,
        last_price=price,
    )
