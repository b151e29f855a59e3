"""Column lists of an order's row, made from the records themselves: `{order_columns}` and the like in .sql files.

A field that is added to `Terms` or `Order` is read, written and verified from then on, or the migration that adds its
column is missing and the first test says so.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from operator import attrgetter
from types import NoneType
from typing import Any, Final, get_args, get_type_hints
from uuid import UUID

from shared.domain.orders.order import Order, Owner, Request, State
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.terms import OrderType, Product, Side, Terms, TimeInForce

type Row = dict[str, Any]

_SQL_TYPES: Final[Mapping[type, str]] = {
    UUID: "uuid",
    str: "text",
    int: "bigint",
    bool: "boolean",
    datetime: "timestamptz",
}
_SQL_TYPES_BY_NAME: Final = {"trade_date": "date", "version": "integer", "revision": "integer"}
_TERMS_AT: Final = Order._fields.index("terms")
COLUMNS: Final = (*Order._fields[:_TERMS_AT], *Terms._fields, *Order._fields[_TERMS_AT + 1 :])

# What intake writes; the table's defaults are right for the rest.
NEW: Final = (
    *("user_id", "order_id", *Terms._fields, "trade_date", "accepted_at", "updated_at", "state", "owner", "deadline"),
    *("reject_code", "status_message", "client_order_id", "tag", "version", "revision"),
)
# What an event can change, with the key; the rest of an order is written once.
MOVING: Final = (
    *("user_id", "order_id", "updated_at", "state", "pending_request", "pending_request_id", "filled_quantity"),
    *("notional", "venue_quantity", "venue_sequence", "missing_reports", "final_quantity", "final_state", "charges"),
    *("owner", "deadline", "in_doubt"),
    *("saga_id", "submitted_at", "expire_at", "answered_at", "exchange_order_id", "reject_code", "status_message"),
    *("version", "revision"),
)


def _sql_type(name: str) -> str:
    hint = get_type_hints(Terms).get(name) or get_type_hints(Order)[name]
    kind = next((each for each in get_args(hint) if each is not NoneType), hint)
    plain = str if issubclass(kind, Enum) else kind
    return _SQL_TYPES_BY_NAME.get(name) or _SQL_TYPES[plain]


def _typed(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {_sql_type(name)}" for name in names)


_COST: Final = (
    *("c.opening_quantity", "c.opening_value", "c.bought", "c.sold", "c.cost", "c.last_trade_date::text"),
    "c.last_executed_at",
)
_COSTED_TRADE: Final = (
    *("t.trade_date", "t.executed_at", "t.exec_id", "t.venue", "t.side", "t.quantity", "t.price"),
    *("t.bought_before", "t.sold_before", "t.cost_before"),
)
PARTS: Final[Mapping[str, str]] = {
    "order_columns": ", ".join(f"o.{name}::text" if name == "trade_date" else f"o.{name}" for name in COLUMNS),
    "new_columns": ", ".join(NEW),
    "new_record": _typed(NEW),
    "moving_record": _typed(MOVING),
    "moves": ", ".join(f"{name} = n.{name}" for name in MOVING[2:]),
    "cost_columns": ", ".join(_COST),
    "costed_trade": f"json_build_array({', '.join(_COSTED_TRADE)})",
}
"""Texts for `queries.load`. Aliases: `o` is the stored order, `n` the new row, `c` a cost and `t` a trade."""


def order_values(order: Order) -> tuple[Any, ...]:
    """The values of `COLUMNS`."""
    return (*order[:_TERMS_AT], *order.terms, *order[_TERMS_AT + 1 :])


def _reader(names: tuple[str, ...]) -> Callable[[Order], Row]:
    read = attrgetter(*(f"terms.{name}" if name in Terms._fields else name for name in names))
    return lambda order: dict(zip(names, read(order), strict=True))


new_row: Final = _reader(NEW)
moving_row: Final = _reader(MOVING)


def _converters() -> list[tuple[int, Callable[[Any], Any]]]:
    kinds: dict[str, Callable[[Any], Any]] = {
        "side": Side,
        "order_type": OrderType,
        "product": Product,
        "time_in_force": TimeInForce,
        "state": State,
        "pending_request": Request,
        "final_state": State,
        "owner": Owner,
        "reject_code": RejectCode,
    }
    return [(COLUMNS.index(name), kind) for name, kind in kinds.items()]


_CONVERTERS: Final = _converters()
_TERMS_END: Final = _TERMS_AT + len(Terms._fields)


def order_from_row(row: tuple[Any, ...]) -> Order:
    """The order of one row that begins with `{order_columns}`."""
    values = list(row[: len(COLUMNS)])
    for place, kind in _CONVERTERS:
        if values[place] is not None:
            values[place] = kind(values[place])
    return Order._make((*values[:_TERMS_AT], Terms._make(values[_TERMS_AT:_TERMS_END]), *values[_TERMS_END:]))
