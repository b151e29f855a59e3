"""A product is its policy: books and risk work with one that they have never seen, whose margin outlives its order."""

from dataclasses import replace
from uuid import uuid5

import pytest

from shared.domain.ledger.accounts import INR, Account, BalanceKey
from shared.domain.ledger.books import Books
from shared.domain.ledger.holds import Hold, HoldChange, HoldKey, HoldPurpose, HoldSource, holds_of
from shared.domain.orders.order import OrderKey
from shared.domain.orders.terms import Product, Side
from shared.domain.positions import position_of
from tests.support.intraday import Intraday
from tests.support.values import (
    ALICE,
    PRICE,
    SPACE,
    acknowledged,
    an_order,
    books,
    ended,
    filled,
    held,
    refused,
    submitted,
)


def trading(side: Side) -> tuple[Books, OrderKey]:
    order = an_order(product=Product.MIS, side=side)
    made = replace(books([order], cash=1_000_000), policies={Product.MIS: Intraday()})
    made.positions[position_of(order)] = 0
    made.holds[holds_of(position_of(order))] = []
    made.reserve(order.key, held(), lambda required, available: refused())
    made.submit(order.key, submitted())
    made.submit(order.key, acknowledged())
    return made, order.key


def held_for(made: Books, key: OrderKey) -> tuple[int, int]:
    """What the order holds, and its position."""
    purposes = HoldPurpose(key.user_id, HoldSource.ORDER, key.order_id), holds_of(position_of(made.orders[key]))
    of_order, of_position = (sum(hold.open for hold in made.holds[purpose]) for purpose in purposes)
    return of_order, of_position


@pytest.mark.parametrize("side", Side)
def test_margin_moves_from_the_order_to_its_position(side: Side) -> None:
    made, key = trading(side)
    assert 300_000 < held_for(made, key)[0] < 303_000
    made.submit(key, filled(4))
    assert held_for(made, key)[1] == 120_000
    made.submit(key, ended(cum=4))
    balance = made.balances[BalanceKey(ALICE, Account.CASH, INR)]
    assert held_for(made, key) == (0, 120_000)
    assert (balance.held, balance.balance) == (120_000, 1_000_000 - made.orders[key].charges)
    assert {line.credit for line in made.changes.transfers} == {Account.TAXES}


def holding_twice() -> tuple[Books, OrderKey]:
    """An order at the exchange whose last 10 rupees are a second hold."""
    order = an_order()
    made = books([order])
    made.reserve(order.key, held(), lambda required, available: refused())
    (first,) = holds_of_order(made, order.key)
    first.amount -= 1_000
    more = HoldKey(ALICE, HoldSource.ORDER, order.order_id, uuid5(SPACE, "replace"))
    made.balances[BalanceKey(ALICE, Account.CASH, INR)].held -= 1_000
    made.change_hold(HoldChange(more, Account.CASH, INR, 1_000))
    made.submit(order.key, submitted())
    return made, order.key


def holds_of_order(made: Books, key: OrderKey) -> list[Hold]:
    return made.holds[HoldPurpose(ALICE, HoldSource.ORDER, key.order_id)]


def test_several_holds_of_an_order_are_one_sum() -> None:
    made, key = holding_twice()
    taken = sum(hold.amount for hold in holds_of_order(made, key))
    made.submit(key, filled(10))
    assert [hold.open for hold in holds_of_order(made, key)] == [0, 0]
    assert sum(hold.captured + hold.released for hold in holds_of_order(made, key)) == taken
    assert made.balances[BalanceKey(ALICE, Account.CASH, INR)].held == 0


def test_oldest_hold_pays_and_the_newest_is_released() -> None:
    made, key = holding_twice()
    made.submit(key, filled(4, price=PRICE - 100))
    first, second = holds_of_order(made, key)
    # 400 paise below the worst case, and what rounding leaves of the charges.
    assert (first.captured > 4 * (PRICE - 100), first.released) == (True, 0)
    assert second.captured == 0
    assert 400 <= second.released < 500
