"""Orders as their owner uses them: place, cancel, read.

The order of work in `place` is the contract's: KYC, idempotency look-up, rate limit, risk, intake, answer;
only then is anything sent anywhere. A 202 means registered here, not at the exchange.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import orjson

from shared.application import exchange_requests
from shared.application.dispatch import Dispatcher
from shared.application.intake import ACCEPTED, Candidate, Intake, Taken
from shared.application.publishing import Publisher
from shared.application.timing import Timing
from shared.batching import Batcher
from shared.contracts.orders import PlaceOrder
from shared.domain.charges import RateCard, RateCards
from shared.domain.errors import (
    BrokerError,
    IdempotencyKeyReusedError,
    KycRequiredError,
    NotFoundError,
    OrderRejectedError,
    OverloadedError,
    StateConflictError,
    UnavailableError,
)
from shared.domain.ids import new_order_id
from shared.domain.instruments import InstrumentMaster
from shared.domain.kyc import KycStatus, may_trade
from shared.domain.money import parse_rupees
from shared.domain.orders import (
    AT_VENUE,
    CancelRequested,
    IllegalTransitionError,
    Order,
    OrderType,
    Product,
    Side,
    State,
    TimeInForce,
)
from shared.domain.published import Json, published_order, wire_time
from shared.domain.rejects import Reject
from shared.domain.risk import Limits, LimitsBook, OrderTerms, RiskFacts, check, worst_price_paise
from shared.domain.sessions import MarketTime
from shared.ports.books import BookStore, Claim, Scope, StoredAnswer, Unit
from shared.ports.market import Market
from shared.ports.order_sagas import Sagas
from shared.ports.orders import AdmissionFacts, Inquiry, OrderFilter, OrderRecords
from shared.ports.rate_limits import RateLimit, RateLimiter
from shared.ports.wakeups import Wakeups

PLACE_ORDER = "POST /api/orders"
# Each in this process; the others are refused before they cost anything. At 1,000 orders a second the last waits 0.3 s.
_MOST_ENTERING = 300
_POLL_S = 0.25
_OUTSIDE_TABLES_RETRY_S = 60


@dataclass(frozen=True, slots=True)
class Rules:
    """The dated tables that an order is judged by."""

    instruments: InstrumentMaster
    limits: LimitsBook
    rate_cards: RateCards

    def on(self, trade_date: date) -> tuple[Limits, RateCard]:
        """What holds on that date. Raises UnavailableError when the market's clock has left the tables."""
        try:
            return self.limits.for_date(trade_date), self.rate_cards.for_date(trade_date)
        except LookupError as error:
            message = f"No order is taken for {trade_date}: limits and charges of that date are not known"
            raise UnavailableError(message, retry_after_s=_OUTSIDE_TABLES_RETRY_S) from error


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to a place-order call; `rate_limit` is None when a stored answer was replayed."""

    status: int
    body: str
    order_id: UUID
    replayed: bool
    rate_limit: RateLimit | None = None


class Orders:
    """The use cases of one process."""

    def __init__(
        self,
        *,
        books: BookStore,
        records: OrderRecords,
        rules: Rules,
        market: Market,
        limiter: RateLimiter,
        publisher: Publisher,
        dispatcher: Dispatcher,
        wakeups: Wakeups,
        timing: Timing,
        write_problem: Callable[[BrokerError, str], str],
    ) -> None:
        self._books = books
        self._records = records
        self._rules = rules
        self._market = market
        self._limiter = limiter
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._wakeups = wakeups
        self._timing = timing
        self._write_problem = write_problem
        self._intake = Intake(books)
        self._inquiries: Batcher[Inquiry, AdmissionFacts] = Batcher(records.inquire, most=100)
        self._background: set[asyncio.Task[None]] = set()
        self._entering = 0

    async def place(
        self, user_id: UUID, command: PlaceOrder, key: str | None, prefer_wait_s: float, sagas: Sagas
    ) -> Placed:
        """Answer an order with 202, its refusal with 422, or a stored answer again.

        Raises KycRequiredError, IdempotencyKeyReusedError, RateLimitedError, OverloadedError, UnavailableError.
        """
        fingerprint = hashlib.sha256(command.model_dump_json().encode()).digest()
        with self._room():
            taken, rate_limit = await self._enter(Claim(user_id, key, command.client_order_id), command, fingerprint)
        if taken.replayed:
            return await self._replay(user_id, taken.answer, fingerprint, prefer_wait_s)
        self._follow_up(taken, sagas)
        return await self._answer(user_id, taken.answer, prefer_wait_s, rate_limit)

    @contextmanager
    def _room(self) -> Iterator[None]:
        """A place among those that enter. Raises OverloadedError: more at once would only all wait longer."""
        if self._entering >= _MOST_ENTERING:
            raise OverloadedError("The broker is at capacity", retry_after_s=1)
        self._entering += 1
        try:
            yield
        finally:
            self._entering -= 1

    async def _enter(self, claim: Claim, command: PlaceOrder, fingerprint: bytes) -> tuple[Taken, RateLimit | None]:
        """The answer on record, of this call or of its twin."""
        facts = await self._inquiries.submit(Inquiry(claim, command.instrument_id))
        _require_kyc(facts.kyc_status)
        if facts.stored is not None:
            return Taken(facts.stored, replayed=True, committed=None), None
        rate_limit = await self._limiter.spend(claim.user_id, PLACE_ORDER)
        candidate = self._judge(command, facts, claim, fingerprint, await self._market.time())
        return await self._intake.take(candidate), rate_limit

    async def cancel(self, user_id: UUID, order_id: UUID, sagas: Sagas) -> Json:
        """Cancel what is left: at once before the order has left us, else by a request to the exchange.

        Repeating it asks once. Raises NotFoundError, StateConflictError (it has ended), UnavailableError.
        """
        key = (user_id, order_id)

        def cancel(unit: Unit) -> Order:
            before = unit.books.orders.get(key)
            if before is None:
                raise NotFoundError("There is no such order")
            request_id = exchange_requests.cancel_request_id(before)
            after = unit.books.submit(key, CancelRequested(request_id, unit.books.at + self._timing.cancel))
            if after is not before and after.state in AT_VENUE:
                request = exchange_requests.cancel(after, request_id)
                unit.outbox.extend(exchange_requests.messages([(after.instrument_id, request)]))
            return after

        try:
            order, committed = await self._books.work(Scope(orders=[key]), cancel)
        except IllegalTransitionError as error:
            status = error.order.status
            raise StateConflictError(f"The order has ended: it is {status}", state=status) from error
        await self._publisher.publish(committed, sagas)
        return published_order(order)

    async def get(self, user_id: UUID, order_id: UUID) -> Json:
        """One order. Raises NotFoundError."""
        return published_order(await self._find(user_id, order_id))

    async def page(self, user_id: UUID, wanted: OrderFilter, limit: int) -> list[Order]:
        """Orders of the user, newest first."""
        return await self._records.page(user_id, wanted, limit)

    async def history(self, user_id: UUID, order_id: UUID) -> Json:
        """Every event of the order with its time, and the milliseconds of each stage. Raises NotFoundError."""
        order = await self._find(user_id, order_id)
        events = await self._records.history(user_id, order_id)
        return {"order": published_order(order), "events": events, "stages": _stages(order, events)}

    async def _find(self, user_id: UUID, order_id: UUID) -> Order:
        order = await self._records.get(user_id, order_id)
        if order is None:
            raise NotFoundError("There is no such order")
        return order

    def _judge(
        self, command: PlaceOrder, known: AdmissionFacts, claim: Claim, fingerprint: bytes, market: MarketTime
    ) -> Candidate:
        at = datetime.now(UTC)
        terms = _terms(command)
        facts = self._facts(command, known, market, at)
        refusal = check(terms, facts)
        order = _order(claim.user_id, terms, command, facts, at, refusal, at + self._timing.saga)
        # The batch runs in another caller's context: the answer must carry this request's id.
        context = copy_context()
        return Candidate(
            order, refusal, claim, fingerprint, lambda *recorded: context.run(self._write_answer, *recorded)
        )

    def _facts(self, command: PlaceOrder, known: AdmissionFacts, market: MarketTime, at: datetime) -> RiskFacts:
        trade_date, is_open = market.trade_date(at), market.is_open(at)
        limits, rate_card = self._rules.on(trade_date)
        used_by = known.client_order_id_used_by
        return RiskFacts(
            instrument=self._rules.instruments.find(command.instrument_id, trade_date),
            trade_date=trade_date,
            session_open=is_open,
            available_cash_paise=known.available_cash,
            free_quantity=known.free_quantity,
            limits=limits,
            rate_card=rate_card,
            now=market.now(at),
            next_open=None if is_open else market.next_open(at),
            client_order_id=command.client_order_id,
            client_order_id_used_by=None if used_by is None else str(used_by),
        )

    def _write_answer(self, order: Order, refusal: Reject | None) -> str:
        if refusal is not None:
            return self._write_problem(OrderRejectedError(refusal), f"/api/orders/{order.order_id}")
        return orjson.dumps(_acceptance(order)).decode()

    def _follow_up(self, taken: Taken, sagas: Sagas) -> None:
        """Publish and dispatch behind the answer; what a crash loses here, the sweep does."""
        if taken.answer.status == ACCEPTED:
            self._dispatcher.kick(sagas)
        if taken.committed is not None:
            task = asyncio.create_task(self._publisher.publish(taken.committed, sagas))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _replay(self, user_id: UUID, stored: StoredAnswer, fingerprint: bytes, prefer_wait_s: float) -> Placed:
        if stored.fingerprint != fingerprint:
            raise IdempotencyKeyReusedError("This Idempotency-Key was used with another body: take a new key")
        answer = await self._answer(user_id, stored, prefer_wait_s, None)
        return Placed(answer.status, answer.body, answer.order_id, replayed=True)

    async def _answer(
        self, user_id: UUID, stored: StoredAnswer, prefer_wait_s: float, rate_limit: RateLimit | None
    ) -> Placed:
        if prefer_wait_s > 0 and stored.status == ACCEPTED:
            order = await self._await_exchange(user_id, stored.order_id, prefer_wait_s)
            body = orjson.dumps(_acceptance(order) | {"order": published_order(order)}).decode()
            return Placed(ACCEPTED, body, stored.order_id, replayed=False, rate_limit=rate_limit)
        return Placed(stored.status, stored.body, stored.order_id, replayed=False, rate_limit=rate_limit)

    async def _await_exchange(self, user_id: UUID, order_id: UUID, wait_s: float) -> Order:
        """The order once the exchange has answered, or as it is when the time is over."""
        deadline = time.monotonic() + wait_s
        async with self._wakeups.watch(user_id) as changes:
            while True:
                order = await self._find(user_id, order_id)
                left = deadline - time.monotonic()
                if order.answered_at is not None or order.terminal or left <= 0:
                    return order
                await changes.next(min(left, _POLL_S))


def _require_kyc(status: str | None) -> None:
    known = KycStatus.NOT_STARTED if status is None else KycStatus(status)
    if not may_trade(known):
        raise KycRequiredError("Trading needs an active KYC", kyc_status=known)


def _terms(command: PlaceOrder) -> OrderTerms:
    return OrderTerms(
        instrument_id=command.instrument_id,
        side=Side(command.side),
        order_type=command.order_type,
        product=command.product,
        quantity=command.quantity,
        price_paise=None if command.price is None else parse_rupees(command.price),
        time_in_force=command.time_in_force,
    )


def _order(
    user_id: UUID,
    terms: OrderTerms,
    command: PlaceOrder,
    facts: RiskFacts,
    at: datetime,
    refusal: Reject | None,
    deadline: datetime,
) -> Order:
    return Order(
        user_id=user_id,
        order_id=new_order_id(user_id, time.time_ns(), uuid4().int),
        instrument_id=terms.instrument_id,
        side=terms.side,
        order_type=OrderType(terms.order_type),
        product=Product(terms.product),
        time_in_force=TimeInForce(terms.time_in_force),
        quantity=terms.quantity,
        price=terms.price_paise,
        # A refused order may have no worst price: its instrument or type may be unknown.
        limit_price=worst_price_paise(terms, facts) if refusal is None else terms.price_paise or 0,
        trade_date=facts.trade_date.isoformat(),
        accepted_at=at,
        updated_at=at,
        deadline=deadline,
        client_order_id=command.client_order_id,
        disclosed_quantity=command.disclosed_quantity,
        tag=command.tag,
    )


def _acceptance(order: Order) -> Json:
    return {
        "order_id": str(order.order_id),
        "status": order.status,
        "message": "Registered with the broker, not yet at the exchange"
        if order.state in {State.ACCEPTED, State.HELD, State.SUBMITTED}
        else order.status_message or "The exchange has answered",
        "received_at": wire_time(order.accepted_at),
    }


_STAGES = {"funds_held": "FundsHeld", "at_exchange": "Submitted", "acknowledged": "Acknowledged", "filled": "Filled"}


def _stages(order: Order, events: Sequence[Json]) -> list[Json]:
    """Milliseconds from acceptance to the first event of each stage, and to the end."""
    first: dict[str, str] = {}
    for event in events:
        first.setdefault(event["event"], event["at"])
    stages = [(stage, first[event]) for stage, event in _STAGES.items() if event in first]
    if order.terminal:
        stages.append(("ended", wire_time(order.updated_at)))
    return [{"stage": stage, "at": at, "ms": _milliseconds(order.accepted_at, at)} for stage, at in stages]


def _milliseconds(start: datetime, at: str) -> str:
    return f"{(datetime.fromisoformat(at) - start) / timedelta(milliseconds=1):.3f}"
