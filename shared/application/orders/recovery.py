"""Recovery of one order that the exchange has not answered for: ask, listen, and never guess.

Only an answer given after `expire_at`, or a confirmed tombstone, releases a hold; without one the order is
in doubt, keeps its hold and goes to operations with the evidence.
"""

from uuid import uuid4

from shared.application.publishing import Publisher
from shared.application.timing import Timing
from shared.contracts.published import published_order
from shared.domain.orders.events import Doubted, HandedToRecovery
from shared.domain.orders.order import AT_VENUE, Order, OrderKey, Owner
from shared.domain.orders.requests import ExchangeRequest, ask_resend, ask_status, cancel_again
from shared.domain.times import wire_time
from shared.json_values import Json
from shared.ports.books import BookStore, Doubt, Scope, Unit
from shared.ports.order_sagas import OrderSagas


class Recovery:
    """Activities of `order_recovery` and what the sweep calls for overdue orders."""

    def __init__(self, books: BookStore, publisher: Publisher, timing: Timing) -> None:
        self._books = books
        self._publisher = publisher
        self._timing = timing

    async def take_over(self, key: OrderKey, sagas: OrderSagas) -> None:
        """Make an overdue order at the exchange the recovery's, and have one running."""

        def hand_over(unit: Unit) -> bool:
            order = unit.books.orders.get(key)
            if order is None or order.state not in AT_VENUE or order.in_doubt or not _overdue(order, unit):
                return False
            unit.books.submit(key, HandedToRecovery(unit.books.at + self._timing.recovery))
            return True

        taken, committed = await self._books.work(Scope(orders=[key]), hand_over)
        if taken:
            await self._publisher.publish(committed, sagas)
            await sagas.recover(key)

    async def ask(self, key: OrderKey, sagas: OrderSagas) -> bool:
        """Ask the exchange for the order's state; False when there is nothing left to ask."""
        attempt = uuid4().hex

        def ask(unit: Unit) -> bool:
            order = unit.books.orders.get(key)
            if order is None or order.owner is not Owner.RECOVERY:
                return False
            for question in questions(order, attempt):
                unit.books.ask(question)
            return True

        asked, committed = await self._books.work(Scope(orders=[key]), ask)
        await self._publisher.publish(committed, sagas)
        return asked

    async def doubt(self, key: OrderKey, sagas: OrderSagas) -> bool:
        """Nobody answered: the order goes to operations with what is known; False when it was settled meanwhile."""

        def doubt(unit: Unit) -> bool:
            order = unit.books.orders.get(key)
            if order is None or order.owner is not Owner.RECOVERY:
                return False
            doubted = unit.books.submit(key, Doubted(unit.books.at + self._timing.doubt))
            unit.orders.doubts.append(Doubt(*key, _evidence(doubted)))
            return True

        doubted, committed = await self._books.work(Scope(orders=[key]), doubt)
        await self._publisher.publish(committed, sagas)
        return doubted


def _overdue(order: Order, unit: Unit) -> bool:
    return order.deadline is not None and order.deadline <= unit.books.at


def questions(order: Order, attempt: str) -> list[ExchangeRequest]:
    """What to ask the exchange about an order: its status and, because they say how it traded, all its reports."""
    asked = [ask_status(order, attempt), ask_resend(order, attempt)]
    cancel = cancel_again(order)
    return asked if cancel is None else [cancel, *asked]


def _evidence(order: Order) -> Json:
    return {
        "order": published_order(order),
        "submitted_at": None if order.submitted_at is None else wire_time(order.submitted_at),
        "expire_at": None if order.expire_at is None else wire_time(order.expire_at),
        "answered_at": None if order.answered_at is None else wire_time(order.answered_at),
        "exchange_has_reported": order.venue_quantity,
        "booked": order.filled_quantity,
        "missing_reports": order.missing_reports,
    }
