"""Execution reports as the exchange sends them: docs/reference/exchange-messages.md.

Unknown members are allowed here, unlike in our own API: an exchange adds fields without asking.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.domain.money import MAX_QUANTITY
from shared.domain.orders.events import VenueReason

type Quantity = Annotated[int, Field(ge=0, le=MAX_QUANTITY, strict=True)]
_MAX_NUMBER = 2**31 - 1
type Number = Annotated[int, Field(ge=1, le=_MAX_NUMBER, strict=True)]
type Code = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class ExecType(StrEnum):
    """What a report is about (FIX ExecType, 150)."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    ORDER_STATUS = "ORDER_STATUS"
    CANCEL_REJECT = "CANCEL_REJECT"


class OrderStatus(StrEnum):
    """How the order stands at the exchange (FIX OrdStatus, 39)."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"
    """The exchange does not know the order."""


class ExecutionReport(BaseModel):
    """One entry of a message on the execution-reports queue."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    exec_type: ExecType
    exec_id: Code
    venue: Code
    trade_date: date
    account: UUID
    order_id: UUID
    request_id: UUID
    order_status: OrderStatus
    transact_time: AwareDatetime
    cum_quantity: Quantity
    leaves_quantity: Quantity
    exchange_order_id: Code | None = None
    last_quantity: Quantity | None = None
    last_price: Code | None = None
    match_id: Code | None = None
    report_sequence: Number | None = None
    last_sequence: Annotated[int, Field(ge=0, le=_MAX_NUMBER, strict=True)] = 0
    reason: Code | None = None
    text: Annotated[str, StringConstraints(max_length=500)] | None = None
    tombstone: bool = False

    @property
    def at(self) -> datetime:
        """The exchange's time of the report."""
        return self.transact_time

    @property
    def known_reason(self) -> VenueReason:
        """The reason, if something depends on it."""
        return VenueReason(self.reason or "")
