"""Moving average and lots: any order of arrival ends the same, and equals what a person would work out."""

from collections import deque
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.lots import (
    COST_UNITS,
    Consumed,
    CostedTrade,
    Lot,
    Moment,
    Place,
    SecurityCost,
    consumed_lots,
    remaining_lots,
)
from shared.domain.orders.terms import Side

type Fill = tuple[Place, Side, int, int]
type Taken = list[tuple[str | None, str | None, int]]
_MORNING = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


def place(number: int, exec_id: str | None = None) -> Place:
    return Place("2026-11-23", _MORNING + timedelta(seconds=number), exec_id or f"E{number}", "NSE")


def history(*steps: tuple[int, int], opening: tuple[int, int] = (0, 0)) -> SecurityCost:
    """Changes of quantity at prices in paise, one after the other."""
    cost = SecurityCost()
    if opening[0]:
        cost.open(*opening)
    for number, (change, price) in enumerate(steps):
        cost.add(place(number), Side.BUY if change > 0 else Side.SELL, abs(change), price)
    return cost


@pytest.mark.parametrize(
    ("steps", "average", "paise"),
    [
        ([(100, 1000_00), (-100, 1100_00), (10, 2000_00)], "2000.0000", 20_000_00),
        ([(10, 1000_00), (-10, 990_00), (10, 3000_00)], "3000.0000", 30_000_00),
        ([(1, 100_00), (2, 101_00)], "100.6667", 302_00),
        ([(1, 100_00), (2, 101_00), (-1, 500_00)], "100.6667", 201_33),
        ([(1, 100_00), (2, 101_00), (-2, 500_00)], "100.6667", 100_67),
        ([(1, 100_00), (2, 101_00), (-1, 500_00), (1, 100_66)], "100.6644", 301_99),
        ([(3, 33), (4, 34), (-5, 1), (5, 40)], "0.3816", 267),
        ([(1, 100_00), (2, 101_00), (-3, 500_00)], "0.0000", 0),
    ],
)
def test_sale_leaves_the_average_as_it_is(steps: list[tuple[int, int]], average: str, paise: int) -> None:
    now = history(*steps).now
    assert (now.average_price, now.cost_paise) == (average, paise)


def test_ten_thousand_small_sales_never_move_the_average() -> None:
    cost = history((10_000, 100_00), (20_000, 101_00), *[(-1, 1)] * 10_000)
    assert cost.now.average_price == "100.6667"
    average = Fraction(cost.now.cost, COST_UNITS * cost.now.quantity)
    assert abs(average - Fraction(302_00, 3)) < Fraction(10, COST_UNITS)


def test_thirds_that_cancel_leave_an_exact_half() -> None:
    # 200/3 of 3 at 100 are left; 5 more at 10 make 350/3, of which 3/7 are exactly 50, and 397 at 2 make 844 for 400.
    cost = history((1, 34), (2, 33), (-1, 50), (5, 10), (-4, 1), (397, 2))
    assert cost.now.average_price == "0.0211"


def test_opening_comes_before_trades_that_are_known_already() -> None:
    late = history((5, 300), (-3, 400))
    late.open(10, 1000)
    assert late.now == history((5, 300), (-3, 400), opening=(10, 1000)).now
    assert late.restated == {place(0), place(1)}


def test_late_trade_needs_all_that_came_after_it() -> None:
    cost = SecurityCost(now=history((5, 300)).now, newest=place(5).moment, known_from=place(3).moment)
    assert [cost.knows(place(number).moment) for number in (2, 3, 6)] == [False, True, True]
    assert not cost.knows(Moment("2026-11-22", place(9).executed_at))


@st.composite
def fills(draw: st.DrawFn) -> list[Fill]:
    """Trades of some seconds, several of them at once and on two exchanges, sales of more than was there included."""
    count = draw(st.integers(1, 12))
    return [
        (
            place(draw(st.integers(0, 5)), f"E{number}")._replace(venue=draw(st.sampled_from(["NSE", "BSE"]))),
            draw(st.sampled_from(list(Side))),
            draw(st.integers(1, 9)),
            draw(st.integers(1, 10**6)),
        )
        for number in range(count)
    ]


@given(data=st.data(), trades=fills(), opening=st.tuples(st.integers(0, 20), st.integers(0, 10**6)))
def test_any_arrival_ends_in_the_reference(data: st.DataObject, trades: list[Fill], opening: tuple[int, int]) -> None:
    in_order, shuffled = SecurityCost(), SecurityCost()
    in_order.open(*opening)
    for fill in sorted(trades):
        in_order.add(*fill)
    opened_at = data.draw(st.integers(0, len(trades)))
    for number, fill in enumerate(data.draw(st.permutations(trades))):
        if number == opened_at:
            shuffled.open(*opening)
        shuffled.add(*fill)
    if opened_at == len(trades):
        shuffled.open(*opening)
    assert (shuffled.now, shuffled.trades, shuffled.newest) == (in_order.now, in_order.trades, in_order.newest)
    quantity, cost = _reference(opening, sorted(trades))
    assert in_order.now.quantity == quantity
    assert abs(Fraction(in_order.now.cost, COST_UNITS) - cost) < Fraction(1, 10**10)
    if quantity > 0:
        exact = cost / quantity / 100
        assert abs(Fraction(in_order.now.average_price) - exact) <= Fraction(1, 20_000)


@given(trades=fills(), opening=st.integers(0, 20))
def test_lots_are_those_of_a_queue(trades: list[Fill], opening: int) -> None:
    cost = SecurityCost()
    cost.open(opening, 100 * opening)
    for fill in trades:
        cost.add(*fill)
    taken, left = _queue(opening, cost.trades)
    assert sorted(map(_consumed, consumed_lots(opening, cost.trades)), key=str) == sorted(taken, key=str)
    assert [(_id(lot), lot.quantity) for lot in remaining_lots(opening, cost.trades)] == left


def _reference(opening: tuple[int, int], trades: list[Fill]) -> tuple[int, Fraction]:
    """The moving average in exact fractions: purchases at their price, sales at the average."""
    quantity, cost = opening[0], Fraction(opening[1])
    for _, side, shares, price in trades:
        sign = 1 if side is Side.BUY else -1
        closing = min(shares, abs(quantity)) if quantity * sign < 0 else 0
        if closing:
            cost -= cost * closing / abs(quantity)
            quantity += sign * closing
        quantity += sign * (shares - closing)
        cost += sign * (shares - closing) * price
    return quantity, cost


def _queue(opening: int, trades: list[CostedTrade]) -> tuple[Taken, list[tuple[str | None, int]]]:
    """Share by share: the oldest purchase goes first; a sale of what was not there waits for the next purchase."""
    bought: deque[str | None] = deque([None] * opening)
    sold: deque[str] = deque()
    taken: dict[tuple[str, str | None], int] = {}
    for trade in trades:
        queue: deque[str] | deque[str | None] = bought if trade.side is Side.BUY else sold
        queue.extend([trade.place.exec_id] * trade.quantity)
        while bought and sold:
            pair = (sold.popleft(), bought.popleft())
            taken[pair] = taken.get(pair, 0) + 1
    left: dict[str | None, int] = {}
    for purchase in bought:
        left[purchase] = left.get(purchase, 0) + 1
    return [(sale, purchase, shares) for (sale, purchase), shares in taken.items()], list(left.items())


def _consumed(each: Consumed) -> tuple[str, str | None, int]:
    return each.sale.place.exec_id, _id(each.lot), each.lot.quantity


def _id(lot: Lot) -> str | None:
    return None if lot.purchase is None else lot.purchase.place.exec_id
