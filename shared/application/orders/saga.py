"""The steps of `order_saga`, each over all its orders in one transaction with one outcome per order.

Every step may run again at any time: an order that has moved on is left alone, and ids of requests and
messages are derived. A step that fails for a reason of the orders is halved until the bad one stands alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import structlog

from shared.application.busy import apart, without_locked
from shared.application.orders.dispatch import Dispatcher
from shared.application.publishing import Publisher
from shared.application.timing import Timing
from shared.domain.ledger.accounts import INR
from shared.domain.ledger.books import Books
from shared.domain.money import format_rupees
from shared.domain.orders.events import FundsHeld, HandedToRecovery, Refused, Submitted
from shared.domain.orders.order import Order, OrderKey, Owner, State
from shared.domain.orders.rejects import RejectCode, reject
from shared.domain.sagas import Exceptional, Step
from shared.domain.sessions import SegmentTime
from shared.halving import halve
from shared.json_values import Json
from shared.ports.books import BookStore, SagaStep, Scope, Unit
from shared.ports.market import Market
from shared.ports.order_sagas import OrderSagas, SagaRecords

_log = structlog.get_logger(__name__)
type StepOfOrder = Callable[[Unit, OrderKey], None]


@dataclass(frozen=True, slots=True)
class Submission:
    """How many orders wait for an answer of the exchange, and until when; how many were left because of a lock."""

    unanswered: int
    deadline: datetime
    left: int = 0


class OrderSaga:
    """reserve_funds, submit_to_exchange, confirm, and the compensation of what failed.

    The first two leave orders of locked users alone, so that the others' go on to the exchange, unless they are called
    with `patient`, for those orders.
    """

    def __init__(
        self,
        books: BookStore,
        records: SagaRecords,
        publisher: Publisher,
        dispatcher: Dispatcher,
        market: Market,
        timing: Timing,
    ) -> None:
        self._books = books
        self._records = records
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._market = market
        self._timing = timing

    async def reserve_funds(self, saga_id: UUID, sagas: OrderSagas, *, patient: bool = False) -> int:
        """Hold each order's worst case or refuse it; returns how many are held or were left."""

        def reserve(unit: Unit, key: OrderKey) -> None:
            held = FundsHeld(saga_id, unit.books.at + self._timing.saga)
            order = unit.books.reserve(key, held, _refusal_for(unit.books, key))
            _note_state(unit, saga_id, order, Step.RESERVE_FUNDS)

        orders = await self._step(saga_id, sagas, reserve, patient=patient)
        return sum(order is None or order.state is State.HELD for order in orders)

    async def submit_to_exchange(self, saga_id: UUID, sagas: OrderSagas, *, patient: bool = False) -> Submission:
        """Queue a NEW for each held order in the commit that marks it submitted."""
        market = await self._market.time()
        units: dict[int, Unit] = {}

        def submit(unit: Unit, key: OrderKey) -> None:
            units[id(unit)] = unit
            at, order = unit.books.at, unit.books.orders[key]
            hours = market.of(order.terms.segment)
            if order.state is State.HELD and not _tradable(order, hours, at):
                order = unit.books.submit(key, _session_ended(order, hours))
            elif order.state is State.HELD:
                event = Submitted(at + self._timing.expire_after, at + self._timing.answer)
                order = unit.books.submit(key, event)
                unit.sagas.submitted[saga_id] += 1
            _note_state(unit, saga_id, order, Step.SUBMIT_TO_EXCHANGE)

        orders = await self._step(saga_id, sagas, submit, patient=patient)
        self._dispatcher.kick(sagas)
        reached = [order for order in orders if order is not None and order.state is not State.ACCEPTED]
        waiting = [order for order in reached if _unanswered(order)]
        # One commit has seen them all at one instant; of several, the first may have been answered before the last.
        unanswered = len(waiting) if len(units) == 1 else await self._records.unanswered(saga_id)
        deadlines = [order.deadline for order in waiting if order.deadline]
        return Submission(unanswered, max(deadlines, default=datetime.now(UTC)), len(orders) - len(reached))

    async def confirm(self, saga_id: UUID, sagas: OrderSagas) -> Json:
        """Close the saga; orders without an answer get a recovery each. Returns counts by outcome."""
        members, silent = await self._records.confirm(saga_id)
        unanswered = await self._hand_to_recovery(saga_id, silent, sagas) if silent else 0
        self._dispatcher.kick(sagas)
        return {"orders": members, "unanswered": unanswered}

    async def _hand_to_recovery(self, saga_id: UUID, silent: Sequence[OrderKey], sagas: OrderSagas) -> int:
        """Let recoveries ask about the orders that have no answer yet, then close the saga; returns how many."""

        def hand_over(unit: Unit, key: OrderKey) -> None:
            order = unit.books.orders[key]
            if _unanswered(order):
                if order.owner is not Owner.RECOVERY:
                    order = unit.books.submit(key, HandedToRecovery(unit.books.at + self._timing.recovery))
                _note(unit, saga_id, order, Step.CONFIRM, Exceptional.UNANSWERED, "handed to recovery")
            else:
                _note_state(unit, saga_id, order, Step.CONFIRM)

        orders = await self._run(saga_id, silent, sagas, hand_over, patient=True)
        unanswered = [order for order in orders if order is not None and _unanswered(order)]
        for order in unanswered:
            await sagas.recover(order.key)
        await self._records.finish(saga_id)
        return len(unanswered)

    async def release_funds(self, saga_id: UUID, sagas: OrderSagas, failed_step: Step) -> int:
        """Compensation: refuse each order that never left us and release its hold; returns how many."""
        refusal = reject(RejectCode.PROCESSING_FAILED)

        def compensate(unit: Unit, key: OrderKey) -> None:
            order = unit.books.orders[key]
            if order.state in {State.ACCEPTED, State.HELD}:
                order = unit.books.submit(key, Refused(refusal.code, refusal.message))
                detail = f"{failed_step} failed for good"
                _note(unit, saga_id, order, Step.RELEASE_FUNDS, Exceptional.COMPENSATED, detail)

        orders = await self._step(saga_id, sagas, compensate, patient=True)
        return sum(order is not None and order.reject_code is refusal.code for order in orders)

    async def _step(
        self, saga_id: UUID, sagas: OrderSagas, step: StepOfOrder, *, patient: bool
    ) -> Sequence[Order | None]:
        members = await self._records.members(saga_id)
        return await self._run(saga_id, members, sagas, step, patient=patient)

    async def _run(
        self, saga_id: UUID, members: Sequence[OrderKey], sagas: OrderSagas, step: StepOfOrder, *, patient: bool
    ) -> Sequence[Order | None]:
        """The orders after the step, None for those that were left."""

        async def commit(some: Sequence[OrderKey], *, brief: bool) -> list[Order]:
            return await self._commit(some, sagas, step, brief=brief)

        async def commit_apart(some: Sequence[OrderKey]) -> Sequence[Order | None]:
            return await (apart if patient else without_locked)(some, _user_of, commit)

        async def refuse(bad: OrderKey, error: Exception) -> Order | None:
            _log.error(
                "an order breaks its batch and is refused", saga_id=str(saga_id), order_id=str(bad[1]), exc_info=error
            )
            return await self._refuse_poison(saga_id, bad, sagas)

        return await halve(members, commit_apart, refuse)

    async def _commit(
        self, members: Sequence[OrderKey], sagas: OrderSagas, step: StepOfOrder, *, brief: bool = False
    ) -> list[Order]:
        def work(unit: Unit) -> list[Order]:
            for key in members:
                step(unit, key)
            return [unit.books.orders[key] for key in members]

        orders, committed = await self._books.work(Scope(orders=members), work, brief=brief)
        await self._publisher.publish(committed, sagas)
        return orders

    async def _refuse_poison(self, saga_id: UUID, key: OrderKey, sagas: OrderSagas) -> Order:
        """The one order that no transaction takes: refused where it stands, if it never left us."""
        refusal = reject(RejectCode.PROCESSING_FAILED)

        def refuse(unit: Unit, key: OrderKey) -> None:
            order = unit.books.orders[key]
            if order.state in {State.ACCEPTED, State.HELD}:
                order = unit.books.submit(key, Refused(refusal.code, refusal.message))
            _note(unit, saga_id, order, Step.RELEASE_FUNDS, Exceptional.POISON, "refused alone")

        (order,) = await self._commit([key], sagas, refuse)
        return order


def _tradable(order: Order, hours: SegmentTime, at: datetime) -> bool:
    """Its own session must be running: an order that waited overnight is not the next day's."""
    return hours.is_open(at) and hours.trade_date(at) == date.fromisoformat(order.trade_date)


def _user_of(key: OrderKey) -> UUID:
    return key.user_id


def _unanswered(order: Order) -> bool:
    return order.state is State.SUBMITTED and order.answered_at is None


def _note(unit: Unit, saga_id: UUID, order: Order, step: Step, outcome: Exceptional, detail: str) -> None:
    unit.sagas.steps.append(SagaStep(saga_id, order.user_id, order.order_id, step, outcome, detail=detail))


def _note_state(unit: Unit, saga_id: UUID, order: Order, step: Step) -> None:
    unit.sagas.steps.append(SagaStep(saga_id, order.user_id, order.order_id, step, order.state, order.reject_code))


def _refusal_for(books: Books, key: OrderKey) -> Callable[[int, int], Refused]:
    _, asset = books.hold_account(books.orders[key])
    code = RejectCode.INSUFFICIENT_FUNDS if asset == INR else RejectCode.INSUFFICIENT_HOLDINGS
    shown: Callable[[int], object] = format_rupees if asset == INR else int

    def refusal(required: int, available: int) -> Refused:
        refused = reject(code, limit=shown(available), actual=shown(required))
        return Refused(refused.code, refused.message)

    return refusal


def _session_ended(order: Order, hours: SegmentTime) -> Refused:
    ended = hours.session_end(date.fromisoformat(order.trade_date))
    refusal = reject(RejectCode.SESSION_ENDED, limit=ended.isoformat())
    return Refused(refusal.code, refusal.message)
