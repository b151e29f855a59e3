"""Execution reports as the exchange sends them: docs/reference/exchange-messages.md.

Unknown members are allowed here, unlike in our own API: an exchange adds fields without asking.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.domain.money import MAX_QUANTITY

type Quantity = Annotated[int, Field(ge=0, le=MAX_QUANTITY, strict=True)]
_MAX_NUMBER = 2**31 - 1
type Number = Annotated[int, Field(ge=1, le=_MAX_NUMBER, strict=True)]
type Code = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class ExecutionReport(BaseModel):
    """One entry of a message on the execution-reports queue."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    exec_type: Literal["NEW", "TRADE", "CANCELED", "REPLACED", "REJECTED", "EXPIRED", "ORDER_STATUS", "CANCEL_REJECT"]
    exec_id: Code
    venue: Code
    trade_date: date
    account: UUID
    order_id: UUID
    request_id: UUID
    order_status: Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED", "UNKNOWN"]
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
