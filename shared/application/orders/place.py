"""Placing orders: look up, judge, put on record, answer; one at a time or a list in one call.

The order of work is the contract's: KYC, idempotency look-up, rate limit, risk, intake, answer; only then is anything
sent anywhere. A 202 means registered here, not at the exchange.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import structlog

from shared.application.notifications import StreamPositions
from shared.application.orders import answers
from shared.application.orders.dispatch import Dispatcher
from shared.application.orders.intake import Candidate, Intake, Taken
from shared.application.orders.judge import Judge, PlaceCall, Rules, Surroundings
from shared.application.orders.read import find
from shared.application.publishing import Publisher
from shared.application.timing import Timing
from shared.batching import Batcher
from shared.domain.errors import (
    BrokerError,
    IdempotencyKeyReusedError,
    KycRequiredError,
    OverloadedError,
    RateLimitedError,
    internal_error,
)
from shared.domain.kyc import KycStatus, may_trade
from shared.domain.orders.order import Order
from shared.ports.books import BookStore, StoredAnswer
from shared.ports.market import Market
from shared.ports.order_sagas import OrderSagas
from shared.ports.orders import AdmissionFacts, Inquiry, OrderRecords
from shared.ports.prices import LastPrices
from shared.ports.rate_limits import RateLimit, RateLimiter
from shared.ports.wakeups import Wakeups

PLACE_ORDER = "POST /api/orders"
# Each in this process; the others are refused before they cost anything. At 1,000 orders a second the last waits 0.3 s.
_MOST_ENTERING = 300
_POLL_S = 0.25
_log = structlog.get_logger(__name__)

type _Spent = RateLimit | RateLimitedError


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to a place-order call; `rate_limit` is None when a stored answer was replayed."""

    status: int
    body: str
    order_id: UUID
    replayed: bool
    rate_limit: RateLimit | None = None
    stream_sequence: int = 0
    """The user's, of the commit or read that this answers from."""


@dataclass(frozen=True, slots=True)
class PlacedList:
    """The answer to a list, one item an order in the given order: what `place` answers, or why it is not on record."""

    items: Sequence[Placed | BrokerError]
    rate_limits: Sequence[RateLimit]
    """Of the orders that were counted, in the given order."""
    stream_sequence: int = 0


class _Entry(NamedTuple):
    """One order on its way in."""

    known: AdmissionFacts
    judged_by: Surroundings


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
        positions: StreamPositions,
        timing: Timing,
        last_prices: LastPrices | None = None,
    ) -> None:
        self._records = records
        self._positions = positions
        self._judge = Judge(rules, market, timing, last_prices)
        self._limiter = limiter
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._wakeups = wakeups
        self._intake = Intake(books)
        self._inquiries: Batcher[Inquiry, AdmissionFacts] = Batcher(records.inquire, most=100)
        self._background: set[asyncio.Task[None]] = set()
        self._entering = 0

    async def place(self, call: PlaceCall, sagas: OrderSagas) -> Placed:
        """Answer an order with 202, its refusal with 422, or a stored answer again.

        Raises KycRequiredError, IdempotencyKeyReusedError, RateLimitedError, OverloadedError, UnavailableError.
        """
        with self._room(1):
            taken, rate_limit = await self._enter(call)
        if taken.replayed:
            return await self._replay(call, taken)
        self._follow_up([taken], sagas)
        return await self._answer(call, taken, rate_limit)

    async def place_list(self, calls: Sequence[PlaceCall], sagas: OrderSagas) -> PlacedList:
        """Answer each order of one caller's list as `place` answers it alone, in the given order.

        Orders that are accepted or refused are put on record in one commit, unless one of them breaks it. Raises
        KycRequiredError, IdempotencyKeyReusedError (the key was used with another list), OverloadedError,
        UnavailableError.
        """
        with self._room(len(calls)):
            entries = await self._look_up_all(calls)
            limits = await self._spend_all(calls, entries)
            taken = await self._take_all(calls, entries, limits)
        self._follow_up([each for each in taken.values() if not each.replayed], sagas)
        items = [_item(place, entries, limits, taken) for place in range(len(calls))]
        sequences = [entry.known.stream_sequence for entry in entries.values()]
        sequences += [each.stream_sequence for each in taken.values()]
        return PlacedList(
            items, [each for each in limits.values() if isinstance(each, RateLimit)], max(sequences, default=0)
        )

    async def _look_up_all(self, calls: Sequence[PlaceCall]) -> dict[int, _Entry]:
        """By place, without the orders that break their look-up."""
        found: dict[int, _Entry] = {}

        async def look_up(place: int, call: PlaceCall) -> None:
            with _apart(call):
                found[place] = await self._look_up(call)

        await asyncio.gather(*(look_up(place, call) for place, call in enumerate(calls)))
        for place, entry in found.items():
            if entry.known.stored is not None:
                _require_same_body(calls[place], entry.known.stored)
        return found

    async def _spend_all(self, calls: Sequence[PlaceCall], entries: Mapping[int, _Entry]) -> dict[int, _Spent]:
        """A call of the user's limit for each order that has no stored answer, by its place."""
        new = [place for place, entry in entries.items() if entry.known.stored is None]
        spent = await asyncio.gather(*(self._spend(calls[place]) for place in new))
        return dict(zip(new, spent, strict=True))

    async def _spend(self, call: PlaceCall) -> _Spent:
        try:
            return await self._limiter.spend(call.user_id, PLACE_ORDER)
        except RateLimitedError as error:
            return error

    async def _take_all(
        self, calls: Sequence[PlaceCall], entries: Mapping[int, _Entry], limits: Mapping[int, _Spent]
    ) -> dict[int, Taken]:
        """What is on record now of each order that was within the limit and breaks nothing, by its place."""
        candidates: dict[int, Candidate] = {}
        for place in (place for place, spent in limits.items() if isinstance(spent, RateLimit)):
            with _apart(calls[place]):
                candidates[place] = self._judge.candidate(calls[place], *entries[place])
        found = await self._intake.take_list(list(candidates.values()))
        taken = {place: each for place, each in zip(candidates, found, strict=True) if each is not None}
        for place, each in taken.items():
            _require_same_body(calls[place], each.answer)
        return taken

    @contextmanager
    def _room(self, orders: int) -> Iterator[None]:
        """Room among the orders that enter. Raises OverloadedError: more at once would only all wait longer."""
        if self._entering >= _MOST_ENTERING:
            raise OverloadedError(
                "The broker is at capacity: repeat the request after Retry-After seconds", retry_after_s=1
            )
        self._entering += orders
        try:
            yield
        finally:
            self._entering -= orders

    async def _enter(self, call: PlaceCall) -> tuple[Taken, RateLimit | None]:
        """The answer on record, of this call or of its twin."""
        entry = await self._look_up(call)
        if entry.known.stored is not None:
            return Taken(entry.known.stored, True, None, entry.known.stream_sequence), None
        rate_limit = await self._limiter.spend(call.user_id, PLACE_ORDER)
        return await self._intake.take(self._judge.candidate(call, *entry)), rate_limit

    async def _look_up(self, call: PlaceCall) -> _Entry:
        """What is on record, and what the order is judged by. Raises KycRequiredError, UnavailableError."""
        judged_by = await self._judge.surroundings(call.command)
        instrument = judged_by.instrument
        asset = call.command.instrument_id if instrument is None else instrument.security_id
        known = await self._inquiries.submit(Inquiry(call.claim, asset))
        _require_kyc(known.kyc_status)
        return _Entry(known, judged_by)

    def _follow_up(self, taken: Sequence[Taken], sagas: OrderSagas) -> None:
        """Publish and dispatch behind the answer; what a crash loses here, the sweep does."""
        if any(each.answer.status == answers.ACCEPTED for each in taken):
            self._dispatcher.hint(sagas)
        for committed in (each.committed for each in taken if each.committed is not None):
            task = asyncio.create_task(self._publisher.publish(committed, sagas))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _replay(self, call: PlaceCall, taken: Taken) -> Placed:
        _require_same_body(call, taken.answer)
        return await self._answer(call, taken, None)

    async def _answer(self, call: PlaceCall, taken: Taken, rate_limit: RateLimit | None) -> Placed:
        stored, body, sequence = taken.answer, taken.answer.body, taken.stream_sequence
        if call.prefer_wait_s > 0 and stored.status == answers.ACCEPTED:
            order, newer = await self._await_exchange(call.user_id, stored.order_id, call.prefer_wait_s)
            body, sequence = answers.acceptance_with_order(order), newer or sequence
        return Placed(stored.status, body, stored.order_id, taken.replayed, rate_limit, sequence)

    async def _await_exchange(self, user_id: UUID, order_id: UUID, wait_s: float) -> tuple[Order, int | None]:
        """The order once the exchange has answered, or as it is when the time is over, and the user's stream sequence
        read before it."""
        deadline = time.monotonic() + wait_s
        async with self._wakeups.watch(user_id) as changes:
            while True:
                sequence = await self._positions.current(user_id)
                order = await find(self._records, user_id, order_id)
                left = deadline - time.monotonic()
                if order.answered_at is not None or order.terminal or left <= 0:
                    return order, sequence
                await changes.next(min(left, _POLL_S))


def _require_kyc(status: str | None) -> None:
    known = KycStatus.NOT_STARTED if status is None else KycStatus(status)
    if not may_trade(known):
        raise KycRequiredError("Trading needs an active KYC: complete your KYC first", kyc_status=known)


def _require_same_body(call: PlaceCall, stored: StoredAnswer) -> None:
    if stored.fingerprint != call.fingerprint:
        raise IdempotencyKeyReusedError(
            "This Idempotency-Key was used with another body: send a new key for a new request"
        )


@contextmanager
def _apart(call: PlaceCall) -> Iterator[None]:
    """A defect that one order of a list meets costs that order alone."""
    try:
        yield
    except BrokerError:
        raise
    except Exception:  # noqa: BLE001 - logged, and answered at the order's place without its details
        _log.exception("an order breaks its list", instrument_id=call.command.instrument_id)


def _item(
    place: int, entries: Mapping[int, _Entry], limits: Mapping[int, _Spent], taken: Mapping[int, Taken]
) -> Placed | BrokerError:
    spent, stored = limits.get(place), entries[place].known.stored if place in entries else None
    if stored is not None:
        return Placed(stored.status, stored.body, stored.order_id, replayed=True)
    if isinstance(spent, RateLimitedError):
        return spent
    if place not in taken:
        return internal_error()
    answer = taken[place].answer
    return Placed(answer.status, answer.body, answer.order_id, taken[place].replayed, spent)
