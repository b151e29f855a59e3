"""Delivery (CNC): a purchase is paid in full from cash, a sale delivers shares that are there.

The worst case never grows: charges never fall as notional rises, so what a fill costs is at most what the worst case
falls by. A hold is therefore taken once and only trimmed.
"""

from collections.abc import Iterator
from typing import Final

from shared.domain.charges.rate_cards import ChargeKind
from shared.domain.ledger.accounts import INR, PAYEES, Account
from shared.domain.ledger.entries import Leg, LegReason
from shared.domain.orders.terms import Side, Terms
from shared.domain.products.product import Booking, Fill, HoldAccount, TotalCharges


class Delivery:
    """`ProductPolicy` of delivery."""

    charge_kind: Final = ChargeKind.DELIVERY
    keeps_position: Final = False

    def hold_account(self, terms: Terms) -> HoldAccount:
        """A BUY holds cash, a SELL holds the shares."""
        if terms.side is Side.BUY:
            return HoldAccount(Account.CASH, INR)
        return HoldAccount(Account.HOLDINGS, terms.security_id)

    def worst_case(self, terms: Terms, leaves: int, notional: int, charges: TotalCharges) -> int:
        """The shares, or their cost at the worst price with the charges to come."""
        if terms.side is Side.SELL or leaves == 0:
            return leaves
        value = leaves * terms.limit_price
        return value + charges(notional + value) - charges(notional)

    def excess(self, is_open: int, required: int) -> int:
        """Everything above the worst case."""
        assert is_open >= required, "a delivery order's hold always covers the worst case of what is left"
        return is_open - required

    def book(self, fill: Fill) -> Booking:
        """Bought and sold shares and their value pass through unsettled accounts; charges are paid at once."""
        captured = fill.value + fill.charges if fill.terms.side is Side.BUY else fill.quantity
        return Booking(captured, tuple(_legs(fill)), delivers=True)


def _legs(fill: Fill) -> Iterator[Leg]:
    shares = fill.terms.security_id
    if fill.terms.side is Side.BUY:
        payer = Account.CASH
        yield Leg(Account.CASH, Account.CLEARING, INR, fill.value, LegReason.BUY_VALUE)
        yield Leg(Account.CLEARING, Account.UNSETTLED_SHARES, shares, fill.quantity, LegReason.BOUGHT)
    else:
        payer = Account.UNSETTLED_CASH
        yield Leg(Account.HOLDINGS, Account.CLEARING, shares, fill.quantity, LegReason.SOLD)
        yield Leg(Account.CLEARING, Account.UNSETTLED_CASH, INR, fill.value, LegReason.SALE_VALUE)
    for payee, amount in fill.by_payee.items():
        if amount:
            yield Leg(payer, PAYEES[payee], INR, amount, LegReason.CHARGES)
