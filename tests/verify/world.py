"""A small, complete broker for tests: every kind of order, brought where it is by the shipped adapters.

alice  filled     BUY 10 INFY in two fills          waiting   in the dispatch queue      (busy world only)
       working    BUY 5 TCS at the venue            held      in a saga that runs        (busy world only)
       refused    when it arrived                  doubted   submitted, never answered
       unfunded   refused by the saga               compensated  released by the saga
bob    partly     SELL 6 INFY, 2 filled             canceled  BUY 10 SBIN, 4 filled, then canceled
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg

from sandbox.demo import DEMO_FILE, Demo
from sandbox.seed import seed
from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.order_sagas import PostgresSagaRecords
from shared.adapters.reference import load_reference_data
from shared.application.orders.intake import Candidate, Intake
from shared.domain.ids import new_order_id
from shared.domain.orders.events import (
    Acknowledged,
    Deadlines,
    Doubted,
    Ended,
    Event,
    Filled,
    FundsHeld,
    HandedToRecovery,
    Refused,
    Submitted,
)
from shared.domain.orders.order import Order, OrderKey, State
from shared.domain.orders.rejects import Reject, RejectCode, reject
from shared.domain.orders.terms import OrderType, Product, Side, Terms, TimeInForce
from shared.domain.sagas import Exceptional, Step
from shared.ports.books import Claim, Doubt, SagaStep, Scope, ScopedFill, Unit
from shared.ports.order_sagas import Slots

DAY = "2026-11-20"
LATER = timedelta(hours=8)
RATE_CARDS = load_reference_data().rate_cards
_DEMO = Demo.read(DEMO_FILE)
ALICE, BOB = _DEMO.user("alice").id, _DEMO.user("bob").id


@dataclass(slots=True)
class World:
    """Orders by name, and what the venue has of them."""

    orders: dict[str, OrderKey] = field(default_factory=dict)
    sagas: dict[str, UUID] = field(default_factory=dict)
    reports: list[dict[str, Any]] = field(default_factory=list)

    def id(self, name: str) -> UUID:
        """Order id by its name in the table above."""
        return self.orders[name][1]


async def build(dsn: str, *, busy: bool) -> World:
    """Migrate and fill the database; a world that is not busy is at rest."""
    migrate(dsn)
    await seed(dsn, _DEMO)
    database = Database(dsn, most=2)
    await database.open()
    try:
        return await _Builder(database).fill(busy=busy)
    finally:
        await database.close()


def limit_order(user_id: UUID, side: Side, instrument_id: str, quantity: int, price: int) -> Order:
    """A DAY LIMIT order as intake makes it; prices in paise."""
    now = datetime.now(UTC)
    return Order(
        user_id=user_id,
        order_id=new_order_id(user_id, time.time_ns(), uuid4().int),
        terms=Terms(
            instrument_id=instrument_id,
            security_id=_security(instrument_id),
            segment="EQ",
            side=side,
            order_type=OrderType.LIMIT,
            product=Product.CNC,
            time_in_force=TimeInForce.DAY,
            quantity=quantity,
            price=price,
            limit_price=price,
        ),
        trade_date=DAY,
        accepted_at=now,
        updated_at=now,
        deadline=now + LATER,
        client_order_id=f"client-{uuid4().hex[:8]}",
    )


def _security(instrument_id: str) -> str:
    instrument = load_reference_data().instruments.find(instrument_id, date.fromisoformat(DAY))
    assert instrument is not None
    return instrument.security_id


class _Builder:
    def __init__(self, database: Database) -> None:
        self._books = PostgresBooks(database, RATE_CARDS)
        self._records = PostgresSagaRecords(database)
        self._intake = Intake(self._books)
        self._database = database
        self._world = World()

    async def fill(self, *, busy: bool) -> World:
        await self._accept("filled", limit_order(ALICE, Side.BUY, "NSE:INFY", 10, 155_000))
        await self._accept("working", limit_order(ALICE, Side.BUY, "NSE:TCS", 5, 300_000))
        await self._accept("partly", limit_order(BOB, Side.SELL, "NSE:INFY", 6, 150_000))
        await self._accept("canceled", limit_order(BOB, Side.BUY, "NSE:SBIN", 10, 80_000))
        await self._accept("doubted", limit_order(ALICE, Side.BUY, "NSE:ITC", 3, 40_000))
        refusal = reject(RejectCode.TICK_SIZE, limit="0.05", actual="1.01")
        await self._accept("refused", limit_order(ALICE, Side.BUY, "NSE:ITC", 1, 101), refusal)
        await self._main_saga()
        await self._failing_saga()
        await self._mark_sent()
        if busy:
            await self._accept("held", limit_order(BOB, Side.SELL, "NSE:LT", 2, 350_000))
            await self._reserve(await self._take_waiting("running"), "held")
            await self._accept("waiting", limit_order(ALICE, Side.SELL, "NSE:ITC", 5, 40_000))
        return self._world

    async def _main_saga(self) -> None:
        names = ("filled", "working", "partly", "canceled", "doubted")
        saga_id = await self._take_waiting("main")
        await self._reserve(saga_id, *names)
        await self._submit_to_venue(saga_id, *names)
        for name in ("filled", "working", "partly", "canceled"):
            await self._acknowledge(name)
        await self._trade("filled", 4, 154_900)
        await self._trade("filled", 6, 155_000)
        await self._trade("partly", 2, 150_100)
        await self._trade("canceled", 4, 79_900)
        end = partial(Ended, State.CANCELED, 4, "canceled as requested", report_sequence=3)
        await self._apply("canceled", lambda at: end(deadlines=_deadlines(at)))
        self._report("canceled", "CANCELED", status="CANCELED", cum=4, leaves=0, sequence=3)
        await self._apply("doubted", lambda at: HandedToRecovery(at + LATER))
        await self._doubt("doubted")
        await self._records.finish(saga_id)

    async def _failing_saga(self) -> None:
        await self._accept("unfunded", limit_order(ALICE, Side.BUY, "NSE:TCS", 5_000, 300_000))
        await self._accept("compensated", limit_order(ALICE, Side.BUY, "NSE:INFY", 1, 150_000))
        saga_id = await self._take_waiting("failing")
        await self._reserve(saga_id, "unfunded", "compensated")
        refusal = reject(RejectCode.PROCESSING_FAILED)
        key = self._world.orders["compensated"]

        def compensate(unit: Unit) -> None:
            unit.books.submit(key, Refused(refusal.code, refusal.message))
            unit.sagas.steps.append(
                SagaStep(saga_id, *key, Step.RELEASE_FUNDS, Exceptional.COMPENSATED, detail="submit failed")
            )

        await self._books.work(Scope(orders=[key]), compensate)
        await self._records.finish(saga_id)

    async def _accept(self, name: str, order: Order, refusal: Reject | None = None) -> None:
        claim = Claim(order.user_id, f"key-{name}", order.client_order_id)
        mark = hashlib.sha256(name.encode()).digest()
        await self._intake.take(Candidate(order, refusal, claim, mark, f"request-{name}"))
        self._world.orders[name] = order.key

    async def _take_waiting(self, name: str) -> UUID:
        saga_id = await self._records.take_waiting(Slots(9, 9), 200, datetime.now(UTC) + LATER)
        assert saga_id is not None
        self._world.sagas[name] = saga_id
        return saga_id

    async def _reserve(self, saga_id: UUID, *names: str) -> None:
        keys = [self._world.orders[name] for name in names]
        refused = reject(RejectCode.INSUFFICIENT_FUNDS, limit="1.00", actual="2.00")

        def reserve(unit: Unit) -> None:
            for key in keys:
                held = FundsHeld(saga_id, unit.books.at + LATER)
                order = unit.books.reserve(key, held, lambda *_: Refused(refused.code, refused.message))
                unit.sagas.steps.append(SagaStep(saga_id, *key, Step.RESERVE_FUNDS, order.state))

        await self._books.work(Scope(orders=keys), reserve)

    async def _submit_to_venue(self, saga_id: UUID, *names: str) -> None:
        keys = [self._world.orders[name] for name in names]

        def submit(unit: Unit) -> None:
            for key in keys:
                unit.books.submit(key, Submitted(unit.books.at + timedelta(seconds=5), unit.books.at + LATER))
                unit.sagas.steps.append(SagaStep(saga_id, *key, Step.SUBMIT_TO_EXCHANGE, State.SUBMITTED))
            unit.sagas.submitted[saga_id] += len(keys)

        await self._books.work(Scope(orders=keys), submit)

    async def _acknowledge(self, name: str) -> None:
        await self._apply(name, lambda at: Acknowledged(f"X-{name}", 0, _deadlines(at), report_sequence=1))
        self._report(name, "NEW", status="NEW", cum=0, leaves=await self._quantity(name), sequence=1)

    async def _trade(self, name: str, quantity: int, price: int) -> None:
        order = await self._order(name)
        cum, exec_id = order.filled_quantity + quantity, f"E{len(self._world.reports):012d}-0"
        number = 2 if cum == quantity else 3
        fill = {"quantity": quantity, "price": price, "cum_quantity": cum, "match_id": f"M-{exec_id}"}
        at = datetime.now(UTC)
        event = Filled("NSE", DAY, exec_id, executed_at=at, deadlines=_deadlines(at), report_sequence=number, **fill)
        scoped = ScopedFill(*order.key, event.venue, event.trade_date, event.exec_id, event.executed_at)
        await self._apply(name, lambda _: event, fills=[scoped])
        leaves = order.terms.quantity - cum
        self._report(
            name,
            "TRADE",
            status="PARTIALLY_FILLED" if leaves else "FILLED",
            cum=cum,
            leaves=leaves,
            sequence=number,
            exec_id=exec_id,
            last_quantity=quantity,
            last_price=f"{price // 100}.{price % 100:02d}",
            match_id=fill["match_id"],
        )

    async def _doubt(self, name: str) -> None:
        key = self._world.orders[name]

        def doubt(unit: Unit) -> None:
            unit.books.submit(key, Doubted(unit.books.at + LATER))
            unit.orders.doubts.append(Doubt(*key, {"exchange_has_reported": 0}))

        await self._books.work(Scope(orders=[key]), doubt)

    async def _apply(self, name: str, event: Callable[[datetime], Event], fills: Sequence[ScopedFill] = ()) -> None:
        key = self._world.orders[name]
        await self._books.work(
            Scope(orders=[key], fills=fills), lambda unit: unit.books.submit(key, event(unit.books.at))
        )

    async def _order(self, name: str) -> Order:
        key = self._world.orders[name]
        order, _ = await self._books.work(Scope(orders=[key]), lambda unit: unit.books.orders[key])
        return order

    async def _quantity(self, name: str) -> int:
        return (await self._order(name)).terms.quantity

    async def _mark_sent(self) -> None:
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM effects_outbox")
            await connection.execute("DELETE FROM exchange_outbox")
            await connection.execute("DELETE FROM saga_signals")

    def _report(self, name: str, exec_type: str, **facts: Any) -> None:
        user_id, order_id = self._world.orders[name]
        sides = {"partly": "SELL"}
        instruments = {"filled": "NSE:INFY", "working": "NSE:TCS", "partly": "NSE:INFY", "canceled": "NSE:SBIN"}
        self._world.reports.append(
            {
                "exec_type": exec_type,
                "exec_id": facts.pop("exec_id", f"E{len(self._world.reports):012d}-0"),
                "venue": "NSE",
                "trade_date": DAY,
                "account": str(user_id),
                "order_id": str(order_id),
                "request_id": str(order_id),
                "instrument_id": instruments[name],
                "side": sides.get(name, "BUY"),
                "order_status": facts.pop("status"),
                "cum_quantity": facts.pop("cum"),
                "leaves_quantity": facts.pop("leaves"),
                "report_sequence": facts.pop("sequence"),
                "transact_time": f"{DAY}T05:00:00.000000Z",
            }
            | facts
        )


def write_venue(dsn: str, reports: list[Mapping[str, Any]]) -> None:
    """Give the venue's archive the reports that it sent."""
    with psycopg.connect(dsn) as connection:
        for number, body in enumerate(reports, start=1):
            connection.execute(
                "INSERT INTO report (report_id, order_id, request_id, trade_date, exec_type, report_sequence, body) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    number,
                    body["order_id"],
                    body["request_id"],
                    body["trade_date"],
                    body["exec_type"],
                    body["report_sequence"],
                    json.dumps(body),
                ),
            )


def _deadlines(at: datetime) -> Deadlines:
    return Deadlines(venue=at + LATER, gap=at + LATER)
