"""Placing an order: look up, judge, put on record, answer.

The order of work is the contract's: KYC, idempotency look-up, rate limit, risk, intake, answer; only then is anything
sent anywhere. A 202 means registered here, not at the exchange.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from shared.application.orders import answers
from shared.application.orders.dispatch import Dispatcher
from shared.application.orders.intake import Candidate, Intake, Taken
from shared.application.orders.read import find
from shared.application.publishing import Publisher
from shared.application.timing import Timing
from shared.batching import Batcher
from shared.contracts.orders import PlaceOrder
from shared.domain.charges.rate_cards import RateCards
from shared.domain.errors import (
    IdempotencyKeyReusedError,
    KycRequiredError,
    OverloadedError,
    UnavailableError,
)
from shared.domain.ids import new_order_id
from shared.domain.instruments.instrument import Instrument
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.kyc import KycStatus, may_trade
from shared.domain.money import parse_rupees
from shared.domain.orders.order import Order
from shared.domain.orders.rejects import Reject
from shared.domain.orders.risk import LimitsBook, RiskFacts, check, worst_price_paise
from shared.domain.orders.terms import Terms
from shared.domain.sessions import MarketTime
from shared.ports.books import BookStore, Claim, StoredAnswer
from shared.ports.market import Market
from shared.ports.order_sagas import OrderSagas
from shared.ports.orders import AdmissionFacts, Inquiry, OrderRecords
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


@dataclass(frozen=True, slots=True)
class PlaceCall:
    """One call of place-order: whose, what, under which keys, and how long the caller waits for the exchange."""

    user_id: UUID
    command: PlaceOrder
    idempotency_key: str | None
    request_id: str
    prefer_wait_s: float = 0.0

    @property
    def claim(self) -> Claim:
        return Claim(self.user_id, self.idempotency_key, self.command.client_order_id)

    @property
    def fingerprint(self) -> bytes:
        """Of the body, to tell a repetition from another order under the same key."""
        return hashlib.sha256(self.command.model_dump_json().encode()).digest()


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to a place-order call; `rate_limit` is None when a stored answer was replayed."""

    status: int
    body: str
    order_id: UUID
    replayed: bool
    rate_limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What a call is judged by: the market's time, and the instrument as it is traded then."""

    market: MarketTime
    at: datetime
    trade_date: date
    instrument: Instrument | None


class PlaceOrders:
    """The use case, of one process."""

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
    ) -> None:
        self._records = records
        self._rules = rules
        self._market = market
        self._limiter = limiter
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._wakeups = wakeups
        self._timing = timing
        self._intake = Intake(books)
        self._inquiries: Batcher[Inquiry, AdmissionFacts] = Batcher(records.inquire, most=100)
        self._background: set[asyncio.Task[None]] = set()
        self._entering = 0

    async def place(self, call: PlaceCall, sagas: OrderSagas) -> Placed:
        """Answer an order with 202, its refusal with 422, or a stored answer again.

        Raises KycRequiredError, IdempotencyKeyReusedError, RateLimitedError, OverloadedError, UnavailableError.
        """
        fingerprint = call.fingerprint
        with self._room():
            taken, rate_limit = await self._enter(call, fingerprint)
        if taken.replayed:
            return await self._replay(call, taken.answer, fingerprint)
        self._follow_up(taken, sagas)
        return await self._answer(call, taken.answer, rate_limit)

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

    async def _enter(self, call: PlaceCall, fingerprint: bytes) -> tuple[Taken, RateLimit | None]:
        """The answer on record, of this call or of its twin."""
        judged_by = await self._surroundings(call.command.instrument_id)
        instrument = judged_by.instrument
        asset = call.command.instrument_id if instrument is None else instrument.security_id
        facts = await self._inquiries.submit(Inquiry(call.claim, asset))
        _require_kyc(facts.kyc_status)
        if facts.stored is not None:
            return Taken(facts.stored, replayed=True, committed=None), None
        rate_limit = await self._limiter.spend(call.user_id, PLACE_ORDER)
        return await self._intake.take(self._judge(call, fingerprint, facts, judged_by)), rate_limit

    async def _surroundings(self, instrument_id: str) -> _Judgement:
        market, at = await self._market.time(), datetime.now(UTC)
        trade_date = market.trade_date(at)
        return _Judgement(market, at, trade_date, self._rules.instruments.find(instrument_id, trade_date))

    def _judge(self, call: PlaceCall, fingerprint: bytes, known: AdmissionFacts, judged_by: _Judgement) -> Candidate:
        terms = _terms(call.command, judged_by.instrument)
        facts, refusal = self._refusal(call.command, terms, known, judged_by)
        if refusal is None:
            terms = terms._replace(limit_price=worst_price_paise(terms, facts))
        order = Order(
            user_id=call.user_id,
            order_id=new_order_id(call.user_id, time.time_ns(), uuid4().int),
            terms=terms,
            trade_date=judged_by.trade_date.isoformat(),
            accepted_at=judged_by.at,
            updated_at=judged_by.at,
            deadline=judged_by.at + self._timing.saga,
            client_order_id=call.command.client_order_id,
            tag=call.command.tag,
        )
        return Candidate(order, refusal, call.claim, fingerprint, call.request_id)

    def _refusal(
        self, command: PlaceOrder, terms: Terms, known: AdmissionFacts, judged_by: _Judgement
    ) -> tuple[RiskFacts, Reject | None]:
        """Raises UnavailableError when the market's clock has left the tables."""
        try:
            facts = self._facts(command, known, judged_by)
            return facts, check(terms, facts)
        except LookupError as error:
            message = f"No order is taken for {judged_by.trade_date}: limits and charges of that date are not known"
            raise UnavailableError(message, retry_after_s=_OUTSIDE_TABLES_RETRY_S) from error

    def _facts(self, command: PlaceOrder, known: AdmissionFacts, judged_by: _Judgement) -> RiskFacts:
        market, at = judged_by.market, judged_by.at
        is_open = market.is_open(at)
        used_by = known.client_order_id_used_by
        return RiskFacts(
            instrument=judged_by.instrument,
            trade_date=judged_by.trade_date,
            session_open=is_open,
            available_cash_paise=known.available_cash,
            free_quantity=known.free_quantity,
            limits=self._rules.limits.for_date(judged_by.trade_date),
            rate_cards=self._rules.rate_cards,
            now=market.now(at),
            next_open=None if is_open else market.next_open(at),
            client_order_id=command.client_order_id,
            client_order_id_used_by=None if used_by is None else str(used_by),
        )

    def _follow_up(self, taken: Taken, sagas: OrderSagas) -> None:
        """Publish and dispatch behind the answer; what a crash loses here, the sweep does."""
        if taken.answer.status == answers.ACCEPTED:
            self._dispatcher.kick(sagas)
        if taken.committed is not None:
            task = asyncio.create_task(self._publisher.publish(taken.committed, sagas))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _replay(self, call: PlaceCall, stored: StoredAnswer, fingerprint: bytes) -> Placed:
        if stored.fingerprint != fingerprint:
            raise IdempotencyKeyReusedError("This Idempotency-Key was used with another body: take a new key")
        answer = await self._answer(call, stored, None)
        return Placed(answer.status, answer.body, answer.order_id, replayed=True)

    async def _answer(self, call: PlaceCall, stored: StoredAnswer, rate_limit: RateLimit | None) -> Placed:
        body = stored.body
        if call.prefer_wait_s > 0 and stored.status == answers.ACCEPTED:
            order = await self._await_exchange(call.user_id, stored.order_id, call.prefer_wait_s)
            body = answers.acceptance_with_order(order)
        return Placed(stored.status, body, stored.order_id, replayed=False, rate_limit=rate_limit)

    async def _await_exchange(self, user_id: UUID, order_id: UUID, wait_s: float) -> Order:
        """The order once the exchange has answered, or as it is when the time is over."""
        deadline = time.monotonic() + wait_s
        async with self._wakeups.watch(user_id) as changes:
            while True:
                order = await find(self._records, user_id, order_id)
                left = deadline - time.monotonic()
                if order.answered_at is not None or order.terminal or left <= 0:
                    return order
                await changes.next(min(left, _POLL_S))


def _require_kyc(status: str | None) -> None:
    known = KycStatus.NOT_STARTED if status is None else KycStatus(status)
    if not may_trade(known):
        raise KycRequiredError("Trading needs an active KYC", kyc_status=known)


def _terms(command: PlaceOrder, instrument: Instrument | None) -> Terms:
    price = None if command.price is None else parse_rupees(command.price)
    return Terms(
        instrument_id=command.instrument_id,
        security_id=command.instrument_id if instrument is None else instrument.security_id,
        segment="" if instrument is None else instrument.segment,
        side=command.side,
        order_type=command.order_type,
        product=command.product,
        time_in_force=command.time_in_force,
        quantity=command.quantity,
        price=price,
        # A refused order may have no worst price: its instrument or type may be unknown.
        limit_price=price or 0,
        disclosed_quantity=command.disclosed_quantity,
    )
