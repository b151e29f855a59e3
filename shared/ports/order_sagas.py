"""Groups of orders that were taken under one saga, and the engine that runs a saga over each."""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from shared.domain.orders.order import OrderKey


class Orchestrator(StrEnum):
    """What the engine runs, by the names that orchestrations register."""

    ORDER_SAGA = "order_saga"
    ORDER_RECOVERY = "order_recovery"


ANSWERED: Final = "answered"
"""The event that an order saga waits for."""


class Slots(NamedTuple):
    """How many sagas may run: in all, and of those that are younger than a second and have submitted nothing yet."""

    in_flight: int
    at_work: int


class SagaRecords(Protocol):
    """Membership and progress of sagas, in the database; the engine's ids prevent nothing."""

    async def take_waiting(self, slots: Slots, most_orders: int, deadline: datetime) -> UUID | None:
        """Freeze waiting orders under a new saga unless all slots are taken; None when nothing waited."""

    async def members(self, saga_id: UUID) -> list[OrderKey]:
        """Its orders, in order of arrival."""

    async def unanswered(self, saga_id: UUID) -> int:
        """Members at the exchange that it has not answered."""

    async def confirm(self, saga_id: UUID) -> tuple[int, list[OrderKey]]:
        """Note how each order stands that the exchange has answered; with all answered the saga is closed.

        Returns how many members there are, and those without an answer.
        """

    async def finish(self, saga_id: UUID) -> None:
        """The saga has nothing left to do. Idempotent."""

    async def overdue_sagas(self) -> list[UUID]:
        """Sagas past their deadline, or not at work seconds after they began. Starting them twice is harmless."""

    async def unsent_signals(self, older_than: timedelta) -> list[UUID]:
        """Answered sagas whose signal is not marked as sent. Sending it twice is harmless."""

    async def signals_sent(self, saga_ids: Collection[UUID]) -> None:
        """Mark signals as delivered."""

    async def swept(self) -> None:
        """The sweep has made its round; health looks for it."""

    async def overdue_orders(self, most: int) -> list[OrderKey]:
        """Orders at the exchange whose deadline has passed, oldest first."""


class OrderSagas(Protocol):
    """The orchestration engine, as the application sees it. Every call may be repeated."""

    async def start(self, saga_id: UUID) -> None:
        """Have `order_saga` running, or run already, for this id."""

    async def answered(self, saga_id: UUID) -> None:
        """Wake the saga that waits for its last answer; harmless when it no longer waits."""

    async def recover(self, key: OrderKey) -> None:
        """Have `order_recovery` running for this order; one at a time per order."""
