"""Why an order is refused: a closed, ordered list.

Rules: the order of the enumeration is the order of precedence, so an order that breaks several rules is always
refused with the earliest code. The first part is judged before an order is accepted, in exactly this order
(`shared.domain.orders.risk.CHECKS`); the codes from `FIRST_LATE_CODE` on end an order that was accepted.
docs/reference/reject-codes.md holds the same table; a test keeps enumeration, table and checks equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RejectCode(StrEnum):
    """Stable codes, by precedence."""

    INSTRUMENT_UNKNOWN = "INSTRUMENT_UNKNOWN"
    INSTRUMENT_INACTIVE = "INSTRUMENT_INACTIVE"
    SESSION_CLOSED = "SESSION_CLOSED"
    PRODUCT_NOT_OFFERED = "PRODUCT_NOT_OFFERED"
    ORDER_TYPE_NOT_OFFERED = "ORDER_TYPE_NOT_OFFERED"
    TIME_IN_FORCE_NOT_OFFERED = "TIME_IN_FORCE_NOT_OFFERED"
    LOT_SIZE = "LOT_SIZE"
    TICK_SIZE = "TICK_SIZE"
    PRICE_BAND = "PRICE_BAND"
    QUANTITY_EXCEEDS_FREEZE = "QUANTITY_EXCEEDS_FREEZE"
    QUANTITY_EXCEEDS_LIMIT = "QUANTITY_EXCEEDS_LIMIT"
    ORDER_VALUE_EXCEEDED = "ORDER_VALUE_EXCEEDED"
    INSUFFICIENT_HOLDINGS = "INSUFFICIENT_HOLDINGS"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    DUPLICATE_CLIENT_ORDER_ID = "DUPLICATE_CLIENT_ORDER_ID"

    SESSION_ENDED = "SESSION_ENDED"
    PROCESSING_FAILED = "PROCESSING_FAILED"
    NEVER_REACHED_EXCHANGE = "NEVER_REACHED_EXCHANGE"
    EXCHANGE_REJECTED = "EXCHANGE_REJECTED"


FIRST_LATE_CODE: Final = RejectCode.SESSION_ENDED


@dataclass(frozen=True, slots=True)
class RejectEntry:
    """The documentation of one code; the template is filled with `limit` and `actual`."""

    title: str
    template: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Reject:
    """One refusal, ready to be stored and shown; `limit` and `actual` are wire strings, None where there is none."""

    code: RejectCode
    message: str
    limit: str | None
    actual: str | None
    remedy: str


ENTRIES: Final[Mapping[RejectCode, RejectEntry]] = {
    RejectCode.INSTRUMENT_UNKNOWN: RejectEntry(
        "Unknown instrument",
        "instrument_id={actual} is not in the instrument master",
        "Take the instrument_id from GET /api/instruments.",
    ),
    RejectCode.INSTRUMENT_INACTIVE: RejectEntry(
        "Instrument not traded today",
        "instrument_id={actual} is not traded on trade_date={limit}",
        "Choose an instrument that GET /api/instruments lists today.",
    ),
    RejectCode.SESSION_CLOSED: RejectEntry(
        "Market closed",
        "the market is closed at {actual}, next_open={limit}",
        "Send the order again once the session is open.",
    ),
    RejectCode.PRODUCT_NOT_OFFERED: RejectEntry(
        "Product not offered",
        "product={actual}, offered={limit}",
        "Use one of the offered products.",
    ),
    RejectCode.ORDER_TYPE_NOT_OFFERED: RejectEntry(
        "Order type not offered",
        "order_type={actual}, offered={limit}",
        "Use one of the offered order types.",
    ),
    RejectCode.TIME_IN_FORCE_NOT_OFFERED: RejectEntry(
        "Time in force not offered",
        "time_in_force={actual}, offered={limit}",
        "Use one of the offered times in force.",
    ),
    RejectCode.LOT_SIZE: RejectEntry(
        "Quantity not in whole lots",
        "quantity={actual}, lot_size={limit}",
        "Make the quantity a multiple of the lot size.",
    ),
    RejectCode.TICK_SIZE: RejectEntry(
        "Price between ticks",
        "price={actual}, tick_size={limit}",
        "Make the price a multiple of the tick size.",
    ),
    RejectCode.PRICE_BAND: RejectEntry(
        "Price outside the band",
        "price={actual}, price_band={limit}",
        "Choose a price inside the band.",
    ),
    RejectCode.QUANTITY_EXCEEDS_FREEZE: RejectEntry(
        "Quantity above the exchange's freeze quantity",
        "quantity={actual}, freeze_quantity={limit}",
        "Split the order into parts of at most the freeze quantity.",
    ),
    RejectCode.QUANTITY_EXCEEDS_LIMIT: RejectEntry(
        "Quantity above the broker's limit",
        "quantity={actual}, max_order_quantity={limit}",
        "Split the order into parts of at most the limit.",
    ),
    RejectCode.ORDER_VALUE_EXCEEDED: RejectEntry(
        "Order value above the broker's limit",
        "order_value={actual}, max_order_value={limit}",
        "Split the order into parts of at most the limit.",
    ),
    RejectCode.INSUFFICIENT_HOLDINGS: RejectEntry(
        "Not enough free shares",
        "quantity={actual}, free_quantity={limit}",
        "Sell at most the free quantity, or cancel a working sell order first.",
    ),
    RejectCode.INSUFFICIENT_FUNDS: RejectEntry(
        "Not enough money",
        "required={actual}, available={limit}",
        "Add funds, lower quantity or price, or cancel a working buy order first.",
    ),
    RejectCode.DUPLICATE_CLIENT_ORDER_ID: RejectEntry(
        "Client order id already used",
        "client_order_id={actual} already belongs to order_id={limit}",
        "Use a new client_order_id for each order; to ask about the first one, read it by its order_id.",
    ),
    RejectCode.SESSION_ENDED: RejectEntry(
        "Session ended before the order was sent",
        "the session ended at {limit}, before the order was sent to the exchange",
        "Send the order again in the next session.",
    ),
    RejectCode.PROCESSING_FAILED: RejectEntry(
        "Order could not be processed",
        "the order could not be processed and was not sent to the exchange",
        "Send the order again; if it is refused again, give support its order_id.",
    ),
    RejectCode.NEVER_REACHED_EXCHANGE: RejectEntry(
        "Order never reached the exchange",
        "the exchange confirms that it has not accepted the order and never will",
        "Nothing was traded and all holds are released; send the order again.",
    ),
    RejectCode.EXCHANGE_REJECTED: RejectEntry(
        "Refused by the exchange",
        "the exchange refused the order: {actual}",
        "Correct what the exchange's reason names and send a new order.",
    ),
}


def reject(code: RejectCode, *, limit: object = None, actual: object = None) -> Reject:
    """The refusal with its message filled in; limit and actual become wire strings."""
    entry = ENTRIES[code]
    shown_limit, shown_actual = _shown(limit), _shown(actual)
    message = entry.template.format(limit=shown_limit, actual=shown_actual)
    return Reject(code, message, shown_limit, shown_actual, entry.remedy)


def _shown(value: object) -> str | None:
    return None if value is None else str(value)
