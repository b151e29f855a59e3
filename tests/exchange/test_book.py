"""Matching: properties against a book that is written for clarity, and the rules one by one."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.exchange.book import Fill, Order, OrderBook, SelfTradeCancel

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "submit", "ioc", "cancel", "replace"]),
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
            events.append(("fill", best.order_id, order.order_id, quantity, best.price))
            if not best.leaves:
                self.resting.remove(best)
        if rest and order.leaves:
            self.resting.append(order)
        return events

    def replace(self, order: Order, quantity: int, price: int) -> list[tuple[object, ...]]:
        if price == order.price and quantity <= order.quantity:
            order.quantity, order.leaves = quantity, quantity - order.cum
            return []
        self.resting.remove(order)
        order.quantity, order.leaves, order.price = quantity, quantity - order.cum, price
        return self.submit(order, rest=True)


def plain(events: list[Fill | SelfTradeCancel]) -> list[tuple[object, ...]]:
    return [
        ("fill", e.resting.order_id, e.taker.order_id, e.quantity, e.price)
        if isinstance(e, Fill)
        else ("self-trade", e.resting.order_id)
        for e in events
    ]


@settings(max_examples=300, deadline=None)
@given(ACTIONS)
def test_book_equals_the_plain_reference(actions: list[tuple[str, bool, int, int, str, int]]) -> None:
    book, reference = OrderBook(), PlainBook()
    ours: dict[str, Order] = {}
    theirs: dict[str, Order] = {}
    for number, (action, buy, quantity, price, account, pick) in enumerate(actions):
        if action in ("submit", "ioc"):
            name = str(number)
            ours[name] = Order(name, account, buy, quantity, price)
            theirs[name] = Order(name, account, buy, quantity, price)
            rest = action == "submit"
            assert plain(book.submit(ours[name], rest=rest)) == reference.submit(theirs[name], rest)
        elif reference.resting:
            target = reference.resting[pick % len(reference.resting)]
            if action == "cancel":
                reference.resting.remove(target)
                book.cancel(ours[target.order_id])
            else:
                total = target.cum + quantity
                mine = book.replace(ours[target.order_id], total, price)
                assert plain(mine) == reference.replace(target, total, price)
        check(book, reference)


def check(book: OrderBook, reference: PlainBook) -> None:
    for side, buy in ((book.bids, True), (book.asks, False)):
        expected = sorted((o for o in reference.resting if o.buy == buy), key=lambda o: -o.price if buy else o.price)
        got = list(side.orders())
        assert [(o.order_id, o.price) for o in got] == [(o.order_id, o.price) for o in by_time(expected, reference)]
        assert all(o.leaves == o.quantity - o.cum > 0 for o in got)
    bid, ask = book.best_bid(), book.best_ask()
    assert bid is None or ask is None or bid < ask


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
    assert plain(book.submit(Order("3", "", False, 7, 100))) == [("fill", "1", "3", 5, 100), ("fill", "2", "3", 2, 100)]


def test_reduced_quantity_keeps_place_increased_loses() -> None:
    book = OrderBook()
    first, second = Order("1", "", True, 5, 100), Order("2", "", True, 5, 100)
    book.submit(first)
    book.submit(second)
    book.replace(first, 4, 100)
    assert [o.order_id for o in book.bids.orders()] == ["1", "2"]
    book.replace(first, 6, 100)
    assert [o.order_id for o in book.bids.orders()] == ["2", "1"]


def test_canceled_orders_do_not_pile_up() -> None:
    book = OrderBook()
    book.submit(Order("stays", "", True, 1, 100))
    for number in range(10_000):
        order = Order(str(number), "", True, 1, 100)
        book.submit(order)
        book.cancel(order)
    assert len(book.bids.levels[100]) < 64


def test_fill_or_kill_does_not_count_own_orders() -> None:
    book = OrderBook()
    book.submit(Order("1", "A", False, 5, 100))
    book.submit(Order("2", "B", False, 5, 101))
    book.submit(Order("3", "B", False, 5, 103))
    assert book.can_fill(Order("4", "A", True, 5, 102))
    assert not book.can_fill(Order("4", "A", True, 6, 102))
    assert book.can_fill(Order("4", "C", True, 15, 103))
