"""Delivery: what a fill moves, and what each leg is for."""

import pytest

from shared.domain.charges.charge import Payee
from shared.domain.ledger.accounts import INR, Account
from shared.domain.ledger.entries import Leg, LegReason
from shared.domain.orders.terms import Side
from shared.domain.products.delivery import Delivery
from shared.domain.products.product import Booking, Fill
from tests.support.values import ALICE, INFY, SPACE, some_terms

CHARGES = {Payee.HOUSE: 0, Payee.EXCHANGE: 14, Payee.TAX: 470}


def booked(side: Side) -> Booking:
    return Delivery().book(Fill(ALICE, SPACE, some_terms(side=side), 3, 449_820, 484, CHARGES))


def charged_to(payer: Account) -> tuple[Leg, ...]:
    return (
        Leg(payer, Account.EXCHANGE_FEES, INR, 14, LegReason.CHARGES),
        Leg(payer, Account.TAXES, INR, 470, LegReason.CHARGES),
    )


@pytest.mark.parametrize(
    ("side", "captured", "legs"),
    [
        (
            Side.BUY,
            449_820 + 484,
            (
                Leg(Account.CASH, Account.CLEARING, INR, 449_820, LegReason.BUY_VALUE),
                Leg(Account.CLEARING, Account.UNSETTLED_SHARES, INFY, 3, LegReason.BOUGHT),
                *charged_to(Account.CASH),
            ),
        ),
        (
            Side.SELL,
            3,
            (
                Leg(Account.HOLDINGS, Account.CLEARING, INFY, 3, LegReason.SOLD),
                Leg(Account.CLEARING, Account.UNSETTLED_CASH, INR, 449_820, LegReason.SALE_VALUE),
                *charged_to(Account.UNSETTLED_CASH),
            ),
        ),
    ],
)
def test_fill_pays_delivers_and_is_charged(side: Side, captured: int, legs: tuple[Leg, ...]) -> None:
    assert booked(side) == Booking(captured, legs, delivers=True)
