"""One instrument's order book: price-time priority, integer paise, no input and no output.

Rules: a trade happens at the resting order's price; the oldest order of the best price goes first; an
order meeting a resting order of its own account cancels the resting one (self-trade prevention, passive
side), unless its own account is empty. Equal inputs give equal events: nothing here reads a clock or a
random number.

Layout: each side keeps its price levels in a list of sort keys whose last element is the best price (bids
by price, asks by negated price), and in each level a deque in time order. Removing an order only marks it;
dead ones are dropped when they reach the head, or when they outnumber the living.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple


class Order:
    """A limit order as the book sees it; prices in paise, quantities in shares.

    `quantity` is the total, `cum` what has traded, `leaves` what may still trade (0 once it is out).
    """

    __slots__ = ("account", "buy", "cum", "leaves", "order_id", "price", "quantity")

    def __init__(self, order_id: str, account: str, buy: bool, quantity: int, price: int) -> None:
        self.order_id = order_id
        self.account = account
        self.buy = buy
        self.quantity = quantity
        self.price = price
        self.cum = 0
        self.leaves = quantity


class Fill(NamedTuple):
    """One trade: both orders' totals are as of just after it."""

    resting: Order
    taker: Order
    quantity: int
    price: int
    resting_cum: int
    resting_leaves: int
    taker_cum: int
    taker_leaves: int


class SelfTradeCancel(NamedTuple):
    """A resting order taken out because the incoming order is of the same account."""

    resting: Order


type BookEvent = Fill | SelfTradeCancel

_make = tuple.__new__


class _Level(deque[Order]):
    """The orders of one price in time order, dead ones included; `live` counts the others."""

    __slots__ = ("live",)
    live: int


class _Side:
    """One side's levels; `keys[-1]` is the best."""

    __slots__ = ("keys", "levels")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, _Level] = {}

    def add(self, key: int, order: Order) -> None:
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = _Level((order,))
            level.live = 1
            insort(self.keys, key)
        else:
            level.append(order)
            level.live += 1

    def forget(self, key: int) -> None:
        """Account for an order of this level that was just marked dead."""
        level = self.levels[key]
        level.live -= 1
        if not level.live:
            self._drop(key)
        elif len(level) > 2 * level.live + 32:
            self.levels[key] = _Level(order for order in level if order.leaves)
            self.levels[key].live = level.live

    def remove(self, key: int, order: Order) -> None:
        """Take a living order out at once, for one that comes back as the same object."""
        level = self.levels[key]
        level.remove(order)
        level.live -= 1
        if not level.live:
            self._drop(key)

    def drop_best(self) -> None:
        del self.levels[self.keys.pop()]

    def _drop(self, key: int) -> None:
        del self.levels[key]
        del self.keys[bisect_left(self.keys, key)]

    def orders(self) -> Iterator[Order]:
        """Living orders, best first."""
        for key in reversed(self.keys):
            yield from (order for order in self.levels[key] if order.leaves)


class OrderBook:
    """Both sides of one instrument."""

    __slots__ = ("asks", "bids", "last_price")

    def __init__(self) -> None:
        self.bids = _Side()
        self.asks = _Side()
        self.last_price: int | None = None

    def submit(self, order: Order, *, rest: bool = True) -> list[BookEvent]:
        """Trade the order against the other side; what is left rests if `rest`, else stays with the caller."""
        if order.buy:
            own, other, key = self.bids, self.asks, order.price
        else:
            own, other, key = self.asks, self.bids, -order.price
        keys = other.keys
        # Keys of the two sides are negated prices of each other, so this order reaches down to -key over there.
        events = self._match(order, other, -key) if keys and keys[-1] >= -key else []
        if rest and order.leaves:
            own.add(key, order)
        return events

    def rest(self, order: Order) -> None:
        """Append the order to its level without matching; the caller knows that it crosses nothing."""
        if order.buy:
            self.bids.add(order.price, order)
        else:
            self.asks.add(-order.price, order)

    def cancel(self, order: Order) -> None:
        """Take a resting order out."""
        order.leaves = 0
        self._side(order).forget(order.price if order.buy else -order.price)

    def replace(self, order: Order, quantity: int, price: int) -> list[BookEvent]:
        """New total and price of a resting order; `quantity` exceeds what has traded."""
        if self.shrink(order, quantity, price):
            return []
        self.withdraw(order)
        order.quantity, order.leaves, order.price = quantity, quantity - order.cum, price
        return self.submit(order)

    def shrink(self, order: Order, quantity: int, price: int) -> bool:
        """Reduce in place, the only change that keeps time priority; False, and no change, for any other."""
        if price != order.price or quantity > order.quantity:
            return False
        order.quantity, order.leaves = quantity, quantity - order.cum
        return True

    def withdraw(self, order: Order) -> None:
        """Take a resting order out so that the same object may come back."""
        self._side(order).remove(order.price if order.buy else -order.price, order)

    def can_fill(self, order: Order) -> bool:
        """Whether the whole of the order's leaves would trade at once, its own account's orders apart."""
        return self._reachable(order) >= order.leaves

    def best_bid(self) -> int | None:
        return self.bids.keys[-1] if self.bids.keys else None

    def best_ask(self) -> int | None:
        return -self.asks.keys[-1] if self.asks.keys else None

    def depth(self, levels: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The best levels as (price, quantity): bids falling, asks rising."""
        return _depth(self.bids, levels), _depth(self.asks, levels)

    def _side(self, order: Order) -> _Side:
        return self.bids if order.buy else self.asks

    def _against(self, order: Order) -> tuple[_Side, int]:
        """The side that the order trades with, and the lowest sort key there that its price reaches."""
        return (self.asks, -order.price) if order.buy else (self.bids, order.price)

    def _match(self, taker: Order, side: _Side, limit: int) -> list[BookEvent]:
        """Trade down to the sort key `limit`. One loop over local names: this is the venue's hottest code."""
        events: list[BookEvent] = []
        keys, levels, account = side.keys, side.levels, taker.account
        leaves, cum, price = taker.leaves, taker.cum, 0
        while leaves and keys and keys[-1] >= limit:
            level = levels[keys[-1]]
            while leaves and level.live:
                resting = level[0]
                available = resting.leaves
                if available:
                    if account and account == resting.account:
                        events.append(SelfTradeCancel(resting))
                        resting.leaves = 0
                    else:
                        quantity = available if available < leaves else leaves  # noqa: FURB136 - min() is a call
                        leaves -= quantity
                        cum += quantity
                        resting.leaves = available = available - quantity
                        resting.cum = resting_cum = resting.cum + quantity
                        # Past the generated __new__, whose call costs as much as the rest of a trade.
                        price = resting.price
                        fill = (resting, taker, quantity, price, resting_cum, available, cum, leaves)
                        events.append(_make(Fill, fill))
                        if available:
                            break
                    level.live -= 1
                level.popleft()
            if not level.live:
                side.drop_best()
        if cum != taker.cum:
            self.last_price = price
            taker.leaves, taker.cum = leaves, cum
        return events

    def _reachable(self, taker: Order) -> int:
        side, limit = self._against(taker)
        total = 0
        for key in reversed(side.keys):
            if key < limit or total >= taker.leaves:
                break
            total += sum(o.leaves for o in side.levels[key] if not taker.account or o.account != taker.account)
        return total


def _depth(side: _Side, levels: int) -> list[tuple[int, int]]:
    best = side.keys[: -levels - 1 : -1]
    return [(abs(key), sum(order.leaves for order in side.levels[key])) for key in best]
