"""Effects as rows of facts, and as what clients were shown.

A row has what one commit changed for one user. Of an order it says only how the order stood, of a trade only which it
is: the rest never changes and is read from their rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from shared.adapters.postgres.queries import load
from shared.adapters.postgres.rows import Row, order_from_row
from shared.contracts.published import TradeOnRecord, published_balances, published_order, published_trade
from shared.domain.ledger.accounts import Account
from shared.domain.ledger.changes import (
    BalanceNow,
    BalancesChanged,
    Effect,
    EffectKind,
    Fact,
    OrderChanged,
    Traded,
)
from shared.domain.orders.order import Order, Request, State, changed
from shared.domain.orders.rejects import RejectCode
from shared.json_values import Json

type EffectsRow = tuple[UUID, int, datetime, list[Json]]
"""User, sequence of the last fact, time, facts."""
_SQL = load("effects.sql")
_BOOKS = load("books.sql")
# How an order stood; with its terms, all that its client can see. What has its usual value is left out.
_STOOD: Final = {
    "pending_request": None,
    "filled_quantity": 0,
    "notional": 0,
    "final_quantity": None,
    "status_message": "",
    "reject_code": None,
    "exchange_order_id": None,
    "in_doubt": False,
}


class Published(NamedTuple):
    """One effect as clients were shown it."""

    user_id: UUID
    sequence: int
    kind: EffectKind
    payload: Json
    at: datetime


class _Stored(NamedTuple):
    user_id: UUID
    sequence: int
    at: datetime
    fact: Json


def effect_rows(effects: Iterable[Effect]) -> list[Row]:
    """One row a user, for the effects of one commit in order of sequence."""
    rows: dict[UUID, Row] = {}
    for effect in effects:
        row = rows.setdefault(effect.user_id, {"user_id": effect.user_id, "facts": []})
        row["sequence"] = effect.sequence
        row["facts"].append(_fact(effect.fact))
    return [rows[user_id] for user_id in sorted(rows)]


def _fact(fact: Fact) -> Json:
    match fact:
        case OrderChanged(order):
            stood = {name: value for name, usual in _STOOD.items() if (value := getattr(order, name)) != usual}
            named = {"order_id": order.order_id, "version": order.version, "state": order.state}
            return {"kind": EffectKind.ORDER, **named, **stood}
        case Traded(trade):
            return {"kind": EffectKind.TRADE, "trade_id": "/".join(trade.key)}
        case BalancesChanged(balances):
            return {"kind": EffectKind.BALANCES, "balances": [list(balance) for balance in balances]}


async def published(connection: AsyncConnection, rows: Sequence[EffectsRow]) -> list[Published]:
    """The effects of (user_id, sequence, created_at, facts) rows, by user and sequence."""
    stored = sorted(_facts(rows), key=lambda each: each[:2])
    asked = [each for each in stored if "document" not in each.fact]
    orders = await _orders(connection, [each for each in asked if each.fact["kind"] == EffectKind.ORDER])
    trades = await _trades(connection, [each for each in asked if each.fact["kind"] == EffectKind.TRADE])
    return [_published(each, orders, trades) for each in stored]


def _facts(rows: Sequence[EffectsRow]) -> Iterator[_Stored]:
    for user_id, last, at, facts in rows:
        for place, fact in enumerate(facts):
            yield _Stored(user_id, last - len(facts) + 1 + place, at, fact)


async def _orders(connection: AsyncConnection, asked: Sequence[_Stored]) -> dict[str, Order]:
    if not asked:
        return {}
    keys = {(str(each.user_id), each.fact["order_id"]) for each in asked}
    text = orjson.dumps([{"user_id": user, "order_id": order} for user, order in sorted(keys)]).decode()
    found = await (await connection.execute(_BOOKS["load_orders"], {"keys": text})).fetchall()
    return {str(order.order_id): order for order in map(order_from_row, found)}


async def _trades(connection: AsyncConnection, asked: Sequence[_Stored]) -> dict[str, Json]:
    if not asked:
        return {}
    names = ("venue", "trade_date", "exec_id")
    ids = sorted({each.fact["trade_id"] for each in asked})
    text = orjson.dumps([dict(zip(names, each.split("/", 2), strict=True)) for each in ids]).decode()
    found = await (await connection.execute(_SQL["trades"], {"keys": text})).fetchall()
    return {trade["trade_id"]: trade for trade in (published_trade(TradeOnRecord(*row)) for row in found)}


def _published(stored: _Stored, orders: dict[str, Order], trades: dict[str, Json]) -> Published:
    user_id, sequence, at, fact = stored
    kind = EffectKind(fact["kind"])
    if "document" in fact:
        payload: Json = fact["document"]
    elif kind is EffectKind.ORDER:
        payload = published_order(_as_it_stood(orders[fact["order_id"]], fact, at))
    elif kind is EffectKind.TRADE:
        payload = trades[fact["trade_id"]]
    else:
        balances = tuple(BalanceNow(Account(account), *amounts) for account, *amounts in fact["balances"])
        payload = published_balances(user_id, balances)
    return Published(user_id, sequence, kind, payload, at)


def _as_it_stood(order: Order, fact: Json, at: datetime) -> Order:
    pending, reject_code = fact.get("pending_request"), fact.get("reject_code")
    moved: dict[str, Any] = {name: fact.get(name, usual) for name, usual in _STOOD.items()} | {
        "pending_request": None if pending is None else Request(pending),
        "reject_code": None if reject_code is None else RejectCode(reject_code),
    }
    return changed(order, state=State(fact["state"]), version=fact["version"], updated_at=at, **moved)
