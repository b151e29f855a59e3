"""Cancelling what is left of an order."""

from uuid import UUID

from shared.application.publishing import Publisher
from shared.application.timing import Timing
from shared.contracts.published import published_order
from shared.domain.errors import NotFoundError, StateConflictError
from shared.domain.orders.events import CancelRequested
from shared.domain.orders.order import Order, OrderKey
from shared.domain.orders.requests import cancel_request_id
from shared.domain.orders.transitions import IllegalTransitionError
from shared.json_values import Json
from shared.ports.books import BookStore, Scope, Unit
from shared.ports.order_sagas import OrderSagas


class CancelOrders:
    """The use case."""

    def __init__(self, books: BookStore, publisher: Publisher, timing: Timing) -> None:
        self._books = books
        self._publisher = publisher
        self._timing = timing

    async def cancel(self, user_id: UUID, order_id: UUID, sagas: OrderSagas) -> tuple[Json, int]:
        """Cancel what is left: at once before the order has left us, else by a request to the exchange.

        Answers the order and the user's stream sequence.

        Repeating it asks once. Raises NotFoundError, StateConflictError (it has ended), UnavailableError.
        """
        key = OrderKey(user_id, order_id)

        def cancel(unit: Unit) -> Order:
            before = unit.books.orders.get(key)
            if before is None:
                raise NotFoundError("There is no such order: check the order_id")
            event = CancelRequested(cancel_request_id(before), unit.books.at + self._timing.cancel)
            return unit.books.submit(key, event)

        try:
            order, committed = await self._books.work(Scope(orders=[key]), cancel)
        except IllegalTransitionError as error:
            status = error.order.status
            raise StateConflictError(f"The order has ended: it is {status}", state=status) from error
        await self._publisher.publish(committed, sagas)
        return published_order(order), committed.sequences[user_id]
