"""A product is its policy: books and risk work with one that they have never seen, whose margin outlives its order."""

from dataclasses import replace
from uuid import UUID, uuid5

import pytest

from shared.domain.charges.rate_cards import ChargeKind
from shared.domain.ledger.accounts import INR, Account, BalanceKey
from shared.domain.ledger.books import Books
from shared.domain.ledger.entries import Leg, LegReason
from shared.domain.ledger.holds import HoldChange, HoldKey, HoldOwner, HoldSource
from shared.domain.orders.order import OrderKey
from shared.domain.orders.terms import Product, Side, Terms
from shared.domain.products.product import Booking, Fill, HoldAccount, TotalCharges
from tests.support.values import ALICE, SPACE, acknowledged, an_order, books, ended, filled, held, refused, submitted

POSITION = uuid5(SPACE, "position")
MARGIN_PERCENT = 20


class Intraday:
    """A fifth of the value is held as margin; a fill moves the margin from the order to its position."""

    charge_kind = ChargeKind.DELIVERY

    def hold_account(self, terms: Terms) -> HoldAccount:
        return HoldAccount(Account.CASH, INR)

    def worst_case(self, terms: Terms, leaves: int, notional: int, charges: TotalCharges) -> int:
        value = leaves * terms.limit_price
        return value * MARGIN_PERCENT // 100 + charges(notional + value) - charges(notional) if leaves else 0

    def excess(self, is_open: int, required: int) -> int:
        return max(0, is_open - required)

    def book(self, fill: Fill) -> Booking:
        margin = HoldKey(fill.user_id, HoldSource.POSITION, POSITION, fill.order_id)
        legs = (Leg(Account.CASH, Account.TAXES, INR, fill.charges, LegReason.CHARGES),) if fill.charges else ()
        held_on = HoldChange(margin, Account.CASH, INR, fill.value * MARGIN_PERCENT // 100)
        return Booking(captured=fill.charges, legs=legs, holds=(held_on,))


def trading(side: Side) -> tuple[Books, OrderKey]:
    order = an_order(product=Product.MIS, side=side)
    made = replace(books([order], cash=1_000_000), policies={Product.MIS: Intraday()})
    made.holds[HoldOwner(ALICE, HoldSource.POSITION, POSITION)] = []
    made.reserve(order.key, held(), lambda required, available: refused())
    made.submit(order.key, submitted())
    made.submit(order.key, acknowledged())
    return made, order.key


def open_holds(made: Books, source: HoldSource, source_id: UUID) -> int:
    return sum(hold.open for hold in made.holds[HoldOwner(ALICE, source, source_id)])


@pytest.mark.parametrize("side", Side)
def test_margin_moves_from_the_order_to_its_position(side: Side) -> None:
    made, key = trading(side)
    assert 300_000 < open_holds(made, HoldSource.ORDER, key.order_id) < 303_000
    made.submit(key, filled(4))
    assert open_holds(made, HoldSource.POSITION, POSITION) == 120_000
    made.submit(key, ended(cum=4))
    balance = made.balances[BalanceKey(ALICE, Account.CASH, INR)]
    assert open_holds(made, HoldSource.ORDER, key.order_id) == 0
    assert (balance.held, balance.balance) == (120_000, 1_000_000 - made.orders[key].charges)
    assert {line.credit for line in made.changes.transfers} == {Account.TAXES}


def test_several_holds_of_an_order_are_one_sum() -> None:
    order = an_order()
    made = books([order])
    made.reserve(order.key, held(), lambda required, available: refused())
    (first,) = made.holds[HoldOwner(ALICE, HoldSource.ORDER, order.order_id)]
    taken = first.amount
    first.amount -= 1_000
    more = HoldKey(ALICE, HoldSource.ORDER, order.order_id, uuid5(SPACE, "replace"))
    made.balances[BalanceKey(ALICE, Account.CASH, INR)].held -= 1_000
    made.change_hold(HoldChange(more, Account.CASH, INR, 1_000))
    for event in (submitted(), filled(10)):
        made.submit(order.key, event)
    holds = made.holds[HoldOwner(ALICE, HoldSource.ORDER, order.order_id)]
    assert [hold.open for hold in holds] == [0, 0]
    assert sum(hold.captured + hold.released for hold in holds) == taken
    assert made.balances[BalanceKey(ALICE, Account.CASH, INR)].held == 0
