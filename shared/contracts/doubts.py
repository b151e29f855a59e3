"""Orders in doubt over HTTP, and the decision that closes one."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field

from shared.contracts.common import Amount, Body, Id, Instant, Page, PageQuery, Text, View
from shared.contracts.cursors import ID, INSTANT, CursorFormat
from shared.domain.orders.events import Closing, Resolution

DOUBTS: Final = CursorFormat(INSTANT, ID)
"""Since when the last order is in doubt, or when it was closed; and its id."""


class DoubtState(StrEnum):
    """Whether an order is still in doubt."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


class DoubtsQuery(PageQuery):
    """OPEN: oldest first; CLOSED: the last closed first."""

    state: DoubtState = DoubtState.OPEN
    cursor: Annotated[str, DOUBTS] | None = None


class DoubtView(View):
    """An order whose state at the exchange could not be established; its hold stays until an operator resolves it.

    `resolution` and what follows it are null while it is open. ANSWERED_BY_EXCHANGE is no operator's decision.
    """

    order_id: Id
    user_id: Id
    since: Instant
    instrument_id: str
    side: str
    quantity: int
    filled_quantity: int
    state: str
    submitted_at: Instant | None
    expire_at: Instant | None
    hold_asset: str | None
    hold_open: Amount | None
    evidence: Any
    resolution: Closing | None
    resolved_at: Instant | None
    resolved_by: Id | None
    reference: str | None
    venue_consulted: Annotated[
        bool | None, Field(description="Whether the venue's records were read for the decision; false: it was away")
    ]
    venue_status: Annotated[str | None, Field(description="How the venue had the order; null: it did not know it")]


DoubtPage = Page[DoubtView]


class ResolveDoubt(Body):
    """What was established with the exchange. Resolving an order that fills afterwards needs a new trade: be sure."""

    resolution: Annotated[
        Resolution,
        Field(description="NOT_RECEIVED: the exchange never took the order; CANCELED: it took it and has ended it"),
    ]
    reference: Annotated[Text, Field(description="The exchange's reference, ticket or message that proves it")]
    note: Annotated[Text, Field(description="What the client reads as the order's status message")]


class ResolvedView(View):
    """The decision on record."""

    order_id: Id
    user_id: Id
    resolution: Resolution
    reference: str
    resolved_by: Id
    resolved_at: Instant
    venue_consulted: bool
    venue_status: str | None
    order_state: str


class AskedView(View):
    """What the exchange has been asked; its answers are booked as they come, and end the doubt if they settle it."""

    order_id: Id
    asked_at: Instant
    requests: Annotated[list[str], Field(examples=[["STATUS", "RESEND"]])]
