"""The ports for placing and reading orders, beside the books."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.domain.orders.order import Order, Status
from shared.json_values import Json
from shared.ports.books import Claim, StoredAnswer


@dataclass(frozen=True, slots=True)
class AdmissionFacts:
    """What is on record when an order arrives; a hint, decided again under the user's lock."""

    kyc_status: str | None
    """None: the user is unknown to the broker."""
    available_cash: int
    free_quantity: int
    stored: StoredAnswer | None
    client_order_id_used_by: UUID | None
    stream_sequence: int
    """That of the user's newest effect."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked about one caller: whose order, which security, under which keys."""

    claim: Claim
    asset: str


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders of one user to list; `before` is the order_id at the end of the page before."""

    status: Status | None = None
    instrument_id: str | None = None
    before: UUID | None = None


class OrderRecords(Protocol):
    """Reads of orders; all raise UnavailableError when the database is unavailable."""

    async def inquire(self, inquiries: Sequence[Inquiry]) -> list[AdmissionFacts]:
        """Facts for each inquiry, in its order, in one round trip."""

    async def get(self, user_id: UUID, order_id: UUID) -> Order | None:
        """One order of the user."""

    async def page(self, user_id: UUID, wanted: OrderFilter, limit: int) -> list[Order]:
        """Newest first, in the order of their ids."""

    async def history(self, user_id: UUID, order_id: UUID) -> list[Json]:
        """Events of one order, oldest first: revision, version, event, state, detail, at."""
