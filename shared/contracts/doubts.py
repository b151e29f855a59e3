"""Orders in doubt over HTTP, and the decision that closes one."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from shared.contracts.common import Amount, Body, Id, Instant, Page, PageQuery, Text, View
from shared.contracts.cursors import ID, INSTANT, CursorFormat

DOUBTS: Final = CursorFormat(INSTANT, ID)
"""Since when the last order is in doubt, and its id."""


class DoubtsQuery(PageQuery):
    """Open doubts, oldest first."""

    cursor: Annotated[str, DOUBTS] | None = None


class DoubtView(View):
    """An order whose state at the exchange could not be established; its hold stays until an operator resolves it."""

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


DoubtPage = Page[DoubtView]


class ResolveDoubt(Body):
    """What was established with the exchange. Resolving an order that fills afterwards needs a new trade: be sure."""

    resolution: Annotated[
        Literal["NOT_RECEIVED", "CANCELED"],
        Field(description="NOT_RECEIVED: the exchange never took the order; CANCELED: it took it and has ended it"),
    ]
    reference: Annotated[Text, Field(description="The exchange's reference, ticket or message that proves it")]
    note: Annotated[Text, Field(description="What the client reads as the order's status message")]


class ResolvedView(View):
    """The decision on record."""

    order_id: Id
    user_id: Id
    resolution: str
    reference: str
    resolved_by: Id
    resolved_at: Instant
    order_state: str
