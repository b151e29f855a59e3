"""How orders, trades and balances look to clients: plain dictionaries of JSON values, the one place that shapes them.

Prices and money are decimal strings in rupees, quantities integers, times RFC 3339 in UTC. The models beside this
module describe the same shapes for the OpenAPI document; a test compares them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from shared.contracts.common import amount
from shared.domain.ledger.changes import (
    BalanceNow,
    BalancesChanged,
    Booked,
    EffectKind,
    Fact,
    OrderChanged,
    OrderEvent,
    Trade,
    Traded,
    Verdict,
)
from shared.domain.money import format_average, format_rupees
from shared.domain.orders.events import Event
from shared.domain.orders.order import Order
from shared.domain.times import wire_time
from shared.json_values import Json

IN_DOUBT: Final = (
    "The exchange has not confirmed how this order stands. Our operations team is establishing it with the exchange; "
    "what the order holds stays held until then."
)


def published_order(order: Order) -> Json:
    """The order of the HTTP contract."""
    terms = order.terms
    return {
        "order_id": str(order.order_id),
        "client_order_id": order.client_order_id,
        "user_id": str(order.user_id),
        "instrument_id": terms.instrument_id,
        "side": terms.side.value,
        "order_type": terms.order_type.value,
        "product": terms.product.value,
        "time_in_force": terms.time_in_force.value,
        "quantity": terms.quantity,
        "filled_quantity": order.filled_quantity,
        "leaves_quantity": order.leaves_quantity,
        "canceled_quantity": order.canceled_quantity,
        "disclosed_quantity": terms.disclosed_quantity,
        "price": None if terms.price is None else format_rupees(terms.price),
        "trigger_price": None,
        "average_price": format_average(order.notional, order.filled_quantity),
        "status": order.status.value,
        "pending_request": None if order.pending_request is None else order.pending_request.value,
        "status_message": IN_DOUBT if order.in_doubt else order.status_message,
        "reject_code": None if order.reject_code is None else order.reject_code.value,
        "exchange_order_id": order.exchange_order_id,
        "parent_order_id": None,
        "tag": order.tag,
        "version": order.version,
        "created_at": wire_time(order.accepted_at),
        "updated_at": wire_time(order.updated_at),
    }


class TradeOnRecord(NamedTuple):
    """What a client is shown of a trade; prices and charges in paise."""

    venue: str
    trade_date: str
    exec_id: str
    order_id: UUID
    user_id: UUID
    instrument_id: str
    side: str
    quantity: int
    price: int
    charges: Mapping[str, int]
    executed_at: datetime

    @classmethod
    def of(cls, trade: Trade) -> Self:
        """The trade as its row has it."""
        order, fill = trade.order, trade.fill
        return cls(
            *trade.key,
            order_id=order.order_id,
            user_id=order.user_id,
            instrument_id=order.terms.instrument_id,
            side=order.terms.side,
            quantity=fill.quantity,
            price=fill.price,
            charges=trade.charges,
            executed_at=fill.executed_at,
        )


def published_trade(trade: TradeOnRecord) -> Json:
    """The trade of the HTTP contract."""
    return {
        "trade_id": f"{trade.venue}/{trade.trade_date}/{trade.exec_id}",
        "order_id": str(trade.order_id),
        "user_id": str(trade.user_id),
        "instrument_id": trade.instrument_id,
        "side": str(trade.side),
        "quantity": trade.quantity,
        "price": format_rupees(trade.price),
        "value": format_rupees(trade.quantity * trade.price),
        "charges": {name: format_rupees(amount) for name, amount in trade.charges.items()},
        "trade_date": trade.trade_date,
        "executed_at": wire_time(trade.executed_at),
    }


def published_balances(user_id: UUID, balances: tuple[BalanceNow, ...]) -> Json:
    """Accounts as one commit left them: rupees of INR, a number of securities."""
    return {
        "user_id": str(user_id),
        "balances": [
            {
                "account": each.account.value,
                "asset": each.asset,
                "balance": amount(each.asset, each.balance),
                "held": amount(each.asset, each.held),
                "available": amount(each.asset, each.balance - each.held),
            }
            for each in balances
        ],
    }


def published_effect(user_id: UUID, fact: Fact) -> tuple[EffectKind, Json]:
    """The kind and the payload of an effect, as clients get it."""
    match fact:
        case OrderChanged(order):
            return EffectKind.ORDER, published_order(order)
        case Traded(trade):
            return EffectKind.TRADE, published_trade(TradeOnRecord.of(trade))
        case BalancesChanged(balances):
            return EffectKind.BALANCES, published_balances(user_id, balances)


def event_name(line: OrderEvent) -> str:
    """The name of a line of an order's history."""
    if isinstance(line.event, Verdict):
        return "Accepted" if line.event.accepted else "Refused"
    return type(line.event).__name__


def event_detail(line: OrderEvent) -> Json:
    """What a line of an order's history says of its event and of what that moved, in paise and shares."""
    said = {} if isinstance(line.event, Verdict) else _values(line.event)
    return said | _values(line.booked)


def _values(record: Event | Booked) -> Json:
    return {name: _json(value) for name in record.__slots__ if (value := getattr(record, name)) is not None}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return wire_time(value)
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return {name: _json(getattr(value, name)) for name in value.__slots__}
