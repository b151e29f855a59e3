"""One instrument's order book: price-time priority, integer paise, no input and no output.

Rules: a trade happens at the resting order's price; the oldest order of the best price goes first; an
order meeting a resting order of its own account cancels the resting one (self-trade prevention, passive
side), unless its own account is empty. Equal inputs give equal events: nothing here reads a clock or a
random number.

Layout: each side keeps its prices in a rising list, so the best bid is the last and the best ask the first,
and the orders of each price in a deque in time order. Canceling an order only marks it (no leaves); the dead
are dropped when they reach the head of their queue, or when they outnumber the living of the last sweep.

Orders and events are plain objects, neither frozen nor slotted: one of each is made per order and per trade,
and CPython makes plain ones in half the time.
"""

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

_FEWEST_SWEPT = 32  # a small side is not swept for fewer dead


class Order:
    """A limit order as the book sees it; prices in paise, quantities in shares.

    `quantity` is the total, `cum` what has traded, `leaves` what may still trade (0 once it is out).
    """

    def __init__(self, order_id: str, account: str, buy: bool, quantity: int, price: int) -> None:
        self.order_id = order_id
        self.account = account
        self.buy = buy
        self.quantity = self.leaves = quantity
        self.price = price
        self.cum = 0


@dataclass
class Fill:
    """One trade, and what the taker had left just after it.

    The resting order trades at most once per call, so its own `cum` and `leaves` are as of just after it too.
    """

    resting: Order
    taker: Order
    quantity: int
    price: int
    taker_leaves: int


@dataclass
class SelfTradeCancel:
    """A resting order taken out because the incoming order is of the same account."""

    resting: Order


type BookEvent = Fill | SelfTradeCancel


class _Side:
    """One side: `prices` has those whose queue in `levels` is not empty; a queue may hold dead orders only."""

    __slots__ = ("_bids", "_dead", "_most_dead", "levels", "prices")

    def __init__(self, *, bids: bool) -> None:
        self.prices: list[int] = []
        self.levels: defaultdict[int, deque[Order]] = defaultdict(deque)
        self._bids = bids
        self._dead = 0
        self._most_dead = _FEWEST_SWEPT

    def remove(self, order: Order) -> None:
        """Take a living order out at once, for one that comes back as the same object."""
        level = self.levels[order.price]
        level.remove(order)
        if not level:
            del self.prices[bisect_left(self.prices, order.price)]

    def forget(self) -> None:
        """Account for an order that was just marked dead."""
        self._dead += 1
        if self._dead > self._most_dead:
            self._sweep()

    def pop_dead(self, level: deque[Order]) -> None:
        """Drop the head of a queue, which is dead."""
        level.popleft()
        self._dead -= 1

    def best_first(self) -> Iterable[int]:
        return reversed(self.prices) if self._bids else self.prices

    def orders(self) -> Iterator[Order]:
        """Living orders, best first."""
        for price in self.best_first():
            yield from (order for order in self.levels[price] if order.leaves)

    def depth(self) -> Iterator[tuple[int, int]]:
        """Price and living quantity of each level, best first."""
        for price in self.best_first():
            if quantity := sum(order.leaves for order in self.levels[price]):
                yield price, quantity

    def _sweep(self) -> None:
        living = {price: [order for order in self.levels[price] if order.leaves] for price in self.prices}
        self.levels = defaultdict(deque, {price: deque(orders) for price, orders in living.items() if orders})
        self.prices = [price for price in self.prices if living[price]]
        self._dead = 0
        self._most_dead = max(_FEWEST_SWEPT, sum(map(len, living.values())))


class OrderBook:
    """Both sides of one instrument."""

    __slots__ = ("asks", "bids", "last_price")

    def __init__(self) -> None:
        self.bids = _Side(bids=True)
        self.asks = _Side(bids=False)
        self.last_price: int | None = None

    def submit(self, order: Order) -> list[BookEvent]:
        """Trade the order against the other side; what is left rests."""
        price = order.price
        if order.buy:
            side, prices = self.bids, self.asks.prices
            crosses = prices and prices[0] <= price
        else:
            side, prices = self.asks, self.bids.prices
            crosses = prices and prices[-1] >= price
        events = self.take(order) if crosses else []
        if order.leaves:
            level = side.levels[price]
            if not level:
                insort(side.prices, price)
            level.append(order)
        return events

    def take(self, taker: Order) -> list[BookEvent]:
        """Trade the order against the other side; what is left stays with the caller.

        One loop over local names, with each object's fields read once: this is the venue's hottest code.
        """
        events: list[BookEvent] = []
        buy, limit, leaves = taker.buy, taker.price, taker.leaves
        account = taker.account or None  # None is nobody's account
        side = self.asks if buy else self.bids
        prices, levels, last_price = side.prices, side.levels, self.last_price
        while leaves and prices:
            price = prices[0] if buy else prices[-1]
            if price > limit if buy else price < limit:
                break
            level = levels[price]
            while leaves and level:
                resting = level[0]
                quantity = resting.leaves
                if not quantity:
                    side.pop_dead(level)
                elif resting.account == account:
                    resting.leaves = 0
                    events.append(SelfTradeCancel(resting))
                    level.popleft()
                elif quantity > leaves:
                    resting.leaves = quantity - leaves
                    resting.cum += leaves
                    events.append(Fill(resting, taker, leaves, price, 0))
                    leaves, last_price = 0, price
                else:
                    leaves -= quantity
                    resting.leaves = 0
                    resting.cum += quantity
                    events.append(Fill(resting, taker, quantity, price, leaves))
                    level.popleft()
                    last_price = price
            if not level:
                del prices[0 if buy else -1]
        self.last_price = last_price
        taker.leaves, taker.cum = leaves, taker.quantity - leaves
        return events

    def cancel(self, order: Order) -> None:
        """Take a resting order out."""
        order.leaves = 0
        self._side(order).forget()

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
        self._side(order).remove(order)

    def can_fill(self, order: Order) -> bool:
        """Whether the whole of the order's leaves would trade at once, its own account's orders apart."""
        reachable = 0
        for resting in (self.asks if order.buy else self.bids).orders():
            if reachable >= order.leaves or (resting.price > order.price if order.buy else resting.price < order.price):
                break
            if not order.account or resting.account != order.account:
                reachable += resting.leaves
        return reachable >= order.leaves

    def best_bid(self) -> int | None:
        return next((order.price for order in self.bids.orders()), None)

    def best_ask(self) -> int | None:
        return next((order.price for order in self.asks.orders()), None)

    def depth(self, levels: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The best levels as (price, quantity): bids falling, asks rising."""
        return list(islice(self.bids.depth(), levels)), list(islice(self.asks.depth(), levels))

    def _side(self, order: Order) -> _Side:
        return self.bids if order.buy else self.asks
