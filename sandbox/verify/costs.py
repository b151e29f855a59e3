"""What securities cost, against their openings and trades replayed: the moving average, and the lots of a queue.

Both are worked out here a second time on purpose, the lots by taking shares from a queue one purchase after the other.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from psycopg.rows import dict_row

from sandbox.verify.model import Check, Inspection, Row, Violation
from sandbox.verify.queries import load
from shared.domain.lots import CostedTrade, Lot, Place, Standing, consumed_lots, remaining_lots
from shared.domain.orders.terms import Product, Side

_SQL: Final = load("costs.sql")
_AVERAGE: Final = "what a security cost is the moving average of its openings and trades"
_LOTS: Final = "sales consume purchases first in, first out"
_DELIVERED: Final = [Product.CNC.value]
_PAGE: Final = 1000
_PARTS: Final = 10**12
"""Cost is kept in trillionths of a paisa."""
type Taken = tuple[str | None, str | None, int]
"""Which sale took how many shares of which purchase, by execution id; None: what is left, or the opening."""


def checks() -> list[Check]:
    """One pass over all securities of all users."""
    return [Check(11, _AVERAGE, _all)]


def _all(inspection: Inspection) -> Iterator[Violation]:
    with inspection.broker.cursor(name="costs", row_factory=dict_row) as cursor:
        cursor.itersize = _PAGE
        rows = cursor.execute(_SQL["costs"], {"delivered": _DELIVERED})
        for (user_id, security_id), lines in groupby(rows, key=lambda row: (row["user_id"], row["security_id"])):
            security = {"user_id": user_id, "security_id": security_id}
            for check, found in _judge(list(lines)):
                yield Violation(11, check, ({**security, **found},))


def _judge(lines: Sequence[Row]) -> Iterator[tuple[str, Row]]:
    stored, trades = lines[0], lines[1:]
    if stored["placed"] or any(trade["bought"] is None for trade in trades):
        yield _AVERAGE, {"cost": "is not kept"}
        return
    average = _Average(stored["quantity"], stored["value"] * _PARTS, stored["quantity"])
    for trade in trades:
        if trade["cost"] != average.cost:
            yield _AVERAGE, {"exec_id": trade["exec_id"], "stored": trade["cost"], "replayed": average.cost}
        if (trade["bought"], trade["sold"]) != (average.bought, average.sold):
            yield _LOTS, {"exec_id": trade["exec_id"], "stored": (trade["bought"], trade["sold"])}
        average.trade(trade)
    newest = (trades[-1]["trade_date"], trades[-1]["executed_at"]) if trades else (None, None)
    if (stored["cost"], stored["trade_date"], stored["executed_at"]) != (average.cost, *newest):
        yield _AVERAGE, {"stored": stored["cost"], "replayed": average.cost, "newest_trade": newest}
    counted, queued = _counted(stored, trades), _queued(stored["quantity"], trades)
    if counted != queued or (stored["bought"], stored["sold"]) != (average.bought, average.sold):
        wrong = [pair for pair in zip(counted, queued, strict=False) if pair[0] != pair[1]]
        yield _LOTS, {"stored": (stored["bought"], stored["sold"]), "left": average.quantity, "first": wrong[:3]}


@dataclass(slots=True)
class _Average:
    """Quantity and cost; a sale takes its share of the cost, rounded half away from zero."""

    quantity: int
    cost: int
    bought: int
    sold: int = 0

    def trade(self, trade: Row) -> None:
        change = trade["quantity"] if trade["side"] == "BUY" else -trade["quantity"]
        left = self.quantity + change
        if self.quantity == 0 or (self.quantity > 0) == (change > 0):
            self.cost += change * (trade["value"] // trade["quantity"]) * _PARTS
        elif left == 0 or (left > 0) == (self.quantity > 0):
            share, rest = divmod(abs(self.cost) * abs(left), abs(self.quantity))
            rounded = share + (2 * rest >= abs(self.quantity))
            self.cost = rounded if self.cost >= 0 else -rounded
        else:
            self.cost = left * (trade["value"] // trade["quantity"]) * _PARTS
        self.quantity = left
        self.bought += max(change, 0)
        self.sold += max(-change, 0)


def _counted(stored: Row, rows: Sequence[Row]) -> list[Taken]:
    trades = [_trade(row) for row in rows]
    consumed = [(each.sale.place.exec_id, *_lot(each.lot)) for each in consumed_lots(stored["quantity"], trades)]
    left = stored["bought"] - stored["sold"]
    return [*consumed, *((None, *_lot(lot)) for lot in remaining_lots(stored["quantity"], trades) if left > 0)]


def _lot(lot: Lot) -> tuple[str | None, int]:
    return (None if lot.purchase is None else lot.purchase.place.exec_id), lot.quantity


def _trade(row: Row) -> CostedTrade:
    place = Place(row["trade_date"].isoformat(), row["executed_at"], row["exec_id"], row["venue"])
    before = Standing(row["bought"], row["sold"], int(row["cost"]))
    return CostedTrade(place, Side(row["side"]), row["quantity"], row["value"] // row["quantity"], before)


def _queued(opening_quantity: int, rows: Sequence[Row]) -> list[Taken]:
    """The same from a queue of purchases, and one of sales that wait for theirs."""
    purchases: deque[tuple[str | None, int]] = deque([(None, opening_quantity)] if opening_quantity else [])
    sales: deque[tuple[str, int]] = deque()
    order = {row["exec_id"]: number for number, row in enumerate(rows)}
    taken: list[Taken] = []
    for row in rows:
        (purchases if row["side"] == "BUY" else sales).append((row["exec_id"], row["quantity"]))
        while purchases and sales:
            (purchase, bought), (sale, sold) = purchases.popleft(), sales.popleft()
            part = min(bought, sold)
            taken.append((sale, purchase, part))
            if bought > part:
                purchases.appendleft((purchase, bought - part))
            if sold > part:
                sales.appendleft((sale, sold - part))
    return [*sorted(taken, key=lambda each: order[str(each[0])]), *((None, *left) for left in purchases)]
