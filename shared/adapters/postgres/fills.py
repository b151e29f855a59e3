"""Rows of fills: trades, the day's positions, and what securities cost before and after them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from shared.adapters.postgres.rows import COLUMNS, Row
from shared.domain.ledger.accounts import AssetKey
from shared.domain.ledger.books import Books
from shared.domain.ledger.changes import ExecutionKey, Trade
from shared.domain.lots import THE_END, CostedTrade, Moment, Place, SecurityCost, Standing
from shared.domain.orders.order import OrderKey
from shared.domain.orders.terms import Side
from shared.ports.books import Scope, ScopedFill

type Loaded = Iterable[Sequence[Any]]
_UNKNOWN: Final[Row] = {"bought_before": None, "sold_before": None, "cost_before": None}


def asked_orders(scope: Scope) -> list[Row]:
    """Keys for `load_orders_and_costs`: an order asks for its fills, and for the trades since the earliest of them."""
    fills: dict[OrderKey, list[ScopedFill]] = {}
    for fill in sorted(scope.fills):
        fills.setdefault(OrderKey(fill.user_id, fill.order_id), []).append(fill)
    return [key._asdict() | (_asked(fills[key]) if key in fills else {}) for key in sorted(scope.orders)]


def _asked(fills: Sequence[ScopedFill]) -> Row:
    since = min(Moment(fill.trade_date, fill.executed_at) for fill in fills)
    named = [{"venue": fill.venue, "trade_date": fill.trade_date, "exec_id": fill.exec_id} for fill in fills]
    return since._asdict() | {"fills": named}


def read_executions(orders: Loaded) -> set[ExecutionKey]:
    """The fills that are on record, from the rows of `load_orders_and_costs`."""
    return {ExecutionKey(*fill) for row in orders for fill in row[len(COLUMNS)] or ()}


def read_costs(orders: Loaded, whole: Loaded) -> dict[AssetKey, SecurityCost]:
    """Costs by security, from the rows of `load_orders_and_costs` and `load_costs`."""
    costs: dict[AssetKey, SecurityCost] = {}
    security = COLUMNS.index("security_id")
    for row in orders:
        _read_cost(costs, AssetKey(row[0], row[security]), row[len(COLUMNS) + 1 :])
    for user_id, security_id, *rest in whole:
        _read_cost(costs, AssetKey(user_id, security_id), rest)
    return costs


def _read_cost(costs: dict[AssetKey, SecurityCost], key: AssetKey, row: Sequence[Any]) -> None:
    trade_date, executed_at, *values, later = row
    cost = costs.get(key)
    if cost is None:
        cost = costs[key] = _cost(values)
    # Several orders of one security may ask: the one that asks for most knows what the others know.
    if trade_date is not None and Moment(trade_date, executed_at) < cost.known_from:
        cost.known_from = Moment(trade_date, executed_at)
        cost.trades = sorted(_costed(*trade) for trade in later or ())


def _cost(values: Sequence[Any]) -> SecurityCost:
    opening_quantity, opening_value, bought, sold, cost, trade_date, executed_at = values
    if bought is None:
        return SecurityCost(known_from=THE_END)
    newest = None if trade_date is None else Moment(trade_date, executed_at)
    return SecurityCost(opening_quantity, opening_value, Standing(bought, sold, int(cost)), newest, THE_END)


def _costed(
    trade_date: str, executed_at: str, exec_id: str, venue: str, side: str, quantity: int, price: int, *before: int
) -> CostedTrade:
    place = Place(trade_date, datetime.fromisoformat(executed_at), exec_id, venue)
    return CostedTrade(place, Side(side), quantity, price, Standing(*before))


def fill_rows(books: Books) -> Mapping[str, list[Row]]:
    """The rows of `write_fills`, by parameter, sorted by key."""
    changes = books.changes
    trades = sorted(changes.trades, key=lambda trade: trade.key)
    return {
        "trades": [_trade(trade, books.costs) for trade in trades],
        "positions": [
            key._asdict() | {name: getattr(change, name) for name in change.__slots__}
            for key, change in sorted(changes.positions.items())
        ],
        "costs": [key._asdict() | _cost_row(books.costs[key]) for key in sorted(changes.costs)],
    }


def restated_rows(books: Books) -> list[Row]:
    """The rows of `restate_trades`: trades of before that stand otherwise now."""
    new = {trade.place for trade in books.changes.trades}
    return [
        {"venue": place.venue, "trade_date": place.trade_date, "exec_id": place.exec_id} | _before(cost.before(place))
        for cost in (books.costs[key] for key in sorted(books.changes.costs))
        for place in sorted(cost.restated - new)
    ]


def _trade(trade: Trade, costs: Mapping[AssetKey, SecurityCost]) -> Row:
    order, fill = trade.order, trade.fill
    return {
        "trade_date": fill.trade_date,
        "venue": fill.venue,
        "exec_id": fill.exec_id,
        "user_id": order.user_id,
        "order_id": order.order_id,
        "instrument_id": order.terms.instrument_id,
        "security_id": order.terms.security_id,
        "product": order.terms.product,
        "side": order.terms.side,
        "quantity": fill.quantity,
        "price": fill.price,
        "notional": fill.quantity * fill.price,
        "charges": trade.charges,
        "match_id": fill.match_id,
        "executed_at": fill.executed_at,
    } | _before_trade(trade, costs)


def _before_trade(trade: Trade, costs: Mapping[AssetKey, SecurityCost]) -> Row:
    cost = costs.get(AssetKey(trade.order.user_id, trade.order.terms.security_id))
    return _before(None if cost is None else cost.before(trade.place))


def _before(standing: Standing | None) -> Row:
    if standing is None:
        return _UNKNOWN
    return {"bought_before": standing.bought, "sold_before": standing.sold, "cost_before": str(standing.cost)}


def _cost_row(cost: SecurityCost) -> Row:
    trade_date, executed_at = cost.newest or (None, None)
    return {
        "opening_quantity": cost.opening_quantity,
        "opening_value": cost.opening_value,
        "bought": cost.now.bought,
        "sold": cost.now.sold,
        # JSON numbers of this size would not survive.
        "cost": str(cost.now.cost),
        "last_trade_date": trade_date,
        "last_executed_at": executed_at,
    }
