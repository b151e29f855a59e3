"""Matching: properties against a book that is written for clarity, and the rules one by one."""

from dataclasses import dataclass, field
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.exchange import book as book_module
from simulators.exchange.book import Fill, Order, OrderBook, SelfTradeCancel

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "submit", "ioc", "fok", "cancel", "cancel", "replace"]),
        st.booleans(),
        st.integers(1, 20),
        st.integers(95, 105),
        st.sampled_from(["", "A", "B"]),
        st.integers(0, 50),
    ),
    max_size=120,
)


@dataclass
class PlainBook:
    """The reference: one list, sorted by price and arrival before each trade."""

    resting: list[Order] = field(default_factory=list)
    last_price: int | None = None

    def submit(self, order: Order, rest: bool) -> list[tuple[object, ...]]:
        events: list[tuple[object, ...]] = []
        sign = 1 if order.buy else -1
        while order.leaves:
            crossing = [o for o in self.resting if o.buy != order.buy and sign * (order.price - o.price) >= 0]
            if not crossing:
                break
            best = min(crossing, key=lambda o: sign * o.price)
            if best.account and best.account == order.account:
                self.resting.remove(best)
                events.append(("self-trade", best.order_id))
                continue
            quantity = min(order.leaves, best.leaves)
            for side in (order, best):
                side.leaves -= quantity
                side.cum += quantity
            self.last_price = best.price
            events.append(("fill", best.order_id, order.order_id, quantity, best.price, best.leaves, order.leaves))
            if not best.leaves:
                self.resting.remove(best)
        if rest and order.leaves:
            self.resting.append(order)
        return events

    def can_fill(self, order: Order) -> bool:
        reached = (o for o in self.resting if o.buy != order.buy and (order.price - o.price) * (1, -1)[o.buy] >= 0)
        return sum(o.leaves for o in reached if not order.account or o.account != order.account) >= order.leaves

    def replace(self, order: Order, quantity: int, price: int) -> list[tuple[object, ...]]:
        if price == order.price and quantity <= order.quantity:
            order.quantity, order.leaves = quantity, quantity - order.cum
            return []
        self.resting.remove(order)
        order.quantity, order.leaves, order.price = quantity, quantity - order.cum, price
        return self.submit(order, rest=True)


def plain(events: list[Fill | SelfTradeCancel]) -> list[tuple[object, ...]]:
    return [
        ("fill", e.resting.order_id, e.taker.order_id, e.quantity, e.price, e.resting.leaves, e.taker_leaves)
        if isinstance(e, Fill)
        else ("self-trade", e.resting.order_id)
        for e in events
    ]


@settings(max_examples=300, deadline=None)
@given(ACTIONS, st.sampled_from([1, 32]))
def test_book_equals_the_plain_reference(
    actions: list[tuple[str, bool, int, int, str, int]], fewest_swept: int
) -> None:
    with patch.object(book_module, "_FEWEST_SWEPT", fewest_swept):
        play(actions, OrderBook(), PlainBook())


def play(actions: list[tuple[str, bool, int, int, str, int]], book: OrderBook, reference: PlainBook) -> None:
    ours: dict[str, Order] = {}
    theirs: dict[str, Order] = {}
    for number, (action, buy, quantity, price, account, pick) in enumerate(actions):
        if action in ("submit", "ioc", "fok"):
            name = str(number)
            mine = ours[name] = Order(name, account, buy, quantity, price)
            other = theirs[name] = Order(name, account, buy, quantity, price)
            can_fill = reference.can_fill(other)
            assert book.can_fill(mine) == can_fill
            if action != "fok" or can_fill:
                rest = action == "submit"
                events = book.submit(mine) if rest else book.take(mine)
                assert plain(events) == reference.submit(other, rest)
        elif reference.resting:
            target = reference.resting[pick % len(reference.resting)]
            if action == "cancel":
                reference.resting.remove(target)
                book.cancel(ours[target.order_id])
            else:
                total = target.cum + quantity
                events = book.replace(ours[target.order_id], total, price)
                assert plain(events) == reference.replace(target, total, price)
        check(book, reference)
    assert [(o.cum, o.quantity) for o in ours.values()] == [(o.cum, o.quantity) for o in theirs.values()]


def check(book: OrderBook, reference: PlainBook) -> None:
    for side, buy, depth in ((book.bids, True, book.depth(3)[0]), (book.asks, False, book.depth(3)[1])):
        expected = by_time([o for o in reference.resting if o.buy == buy], reference)
        got = list(side.orders())
        assert [(o.order_id, o.price) for o in got] == [(o.order_id, o.price) for o in expected]
        assert all(o.leaves == o.quantity - o.cum > 0 for o in got)
        prices = list(dict.fromkeys(o.price for o in expected))[:3]
        assert depth == [(price, sum(o.leaves for o in expected if o.price == price)) for price in prices]
        assert (book.best_bid() if buy else book.best_ask()) == (prices[0] if prices else None)
    bid, ask = book.best_bid(), book.best_ask()
    assert bid is None or ask is None or bid < ask
    assert book.last_price == reference.last_price


def by_time(orders: list[Order], reference: PlainBook) -> list[Order]:
    """Equal prices keep the reference's list order, which is arrival order."""
    place = {id(o): n for n, o in enumerate(reference.resting)}
    return sorted(orders, key=lambda o: (-o.price if o.buy else o.price, place[id(o)]))


@given(ACTIONS)
def test_quantity_is_conserved_on_both_sides(actions: list[tuple[str, bool, int, int, str, int]]) -> None:
    book, orders = OrderBook(), []
    traded = 0
    for number, (_, buy, quantity, price, account, _) in enumerate(actions):
        order = Order(str(number), account, buy, quantity, price)
        orders.append(order)
        traded += sum(e.quantity for e in book.submit(order) if isinstance(e, Fill))
    assert sum(o.cum for o in orders if o.buy) == sum(o.cum for o in orders if not o.buy) == traded
    assert all(0 <= o.leaves <= o.quantity - o.cum for o in orders)


def test_last_price_is_of_a_trade_not_a_self_trade_cancel() -> None:
    book = OrderBook()
    book.submit(Order("1", "B", False, 5, 100))
    book.submit(Order("2", "A", False, 5, 101))
    book.submit(Order("3", "A", True, 9, 101))
    assert (book.last_price, book.best_bid(), book.best_ask()) == (100, 101, None)


def test_older_order_of_same_price_trades_first() -> None:
    book = OrderBook()
    first, second = Order("1", "", True, 5, 100), Order("2", "", True, 5, 100)
    book.submit(first)
    book.submit(second)
    assert plain(book.submit(Order("3", "", False, 7, 100))) == [
        ("fill", "1", "3", 5, 100, 0, 2),
        ("fill", "2", "3", 2, 100, 3, 0),
    ]


def test_reduced_quantity_keeps_place_increased_loses() -> None:
    book = OrderBook()
    first, second = Order("1", "", True, 5, 100), Order("2", "", True, 5, 100)
    book.submit(first)
    book.submit(second)
    book.replace(first, 4, 100)
    assert [o.order_id for o in book.bids.orders()] == ["1", "2"]
    book.replace(first, 6, 100)
    assert [o.order_id for o in book.bids.orders()] == ["2", "1"]


@pytest.mark.parametrize("prices", [1, 1000])
def test_canceled_orders_do_not_pile_up(prices: int) -> None:
    book = OrderBook()
    book.submit(Order("stays", "", True, 1, 100))
    for number in range(10_000):
        order = Order(str(number), "", True, 1, 100 + number % prices)
        book.submit(order)
        book.cancel(order)
    assert sum(len(level) for level in book.bids.levels.values()) < 64
    assert len(book.bids.levels) < 64


def test_fill_or_kill_does_not_count_own_orders() -> None:
    book = OrderBook()
    book.submit(Order("1", "A", False, 5, 100))
    book.submit(Order("2", "B", False, 5, 101))
    book.submit(Order("3", "B", False, 5, 103))
    assert book.can_fill(Order("4", "A", True, 5, 102))
    assert not book.can_fill(Order("4", "A", True, 6, 102))
    assert book.can_fill(Order("4", "C", True, 15, 103))
