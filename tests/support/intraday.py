"""A product that the broker does not have: its margin outlives the order, and goes when the position is closed."""

from collections.abc import Iterator
from typing import Final

from shared.domain.charges.rate_cards import ChargeKind
from shared.domain.ledger.accounts import INR, Account
from shared.domain.ledger.entries import Leg, LegReason
from shared.domain.ledger.holds import HoldChange, HoldKey
from shared.domain.orders.terms import Side, Terms
from shared.domain.products.product import Booking, Fill, HoldAccount, Position, TotalCharges

MARGIN_PERCENT: Final = 20


class Intraday:
    """A fifth of the value is held as margin, by the order and then by its position."""

    charge_kind: Final = ChargeKind.DELIVERY
    keeps_position: Final = True

    def hold_account(self, terms: Terms) -> HoldAccount:
        return HoldAccount(Account.CASH, INR)

    def worst_case(self, terms: Terms, leaves: int, notional: int, charges: TotalCharges) -> int:
        value = leaves * terms.limit_price
        return value * MARGIN_PERCENT // 100 + charges(notional + value) - charges(notional) if leaves else 0

    def excess(self, is_open: int, required: int) -> int:
        return max(0, is_open - required)

    def book(self, fill: Fill) -> Booking:
        assert fill.position is not None, "an intraday fill changes a position"
        legs = (Leg(Account.CASH, Account.TAXES, INR, fill.charges, LegReason.CHARGES),) if fill.charges else ()
        return Booking(fill.charges, legs, tuple(_margin(fill, fill.position)))


def _margin(fill: Fill, position: Position) -> Iterator[HoldChange]:
    """Of what the fill closes the margin goes, for what it opens margin comes."""
    before, moved = position.net_quantity, fill.quantity if fill.terms.side is Side.BUY else -fill.quantity
    closed = min(abs(before), fill.quantity) if before * moved < 0 else 0
    leaves = position.held * closed // abs(before) if closed else 0
    for hold in position.holds:
        part = min(hold.open, leaves)
        leaves -= part
        if part:
            yield HoldChange(hold.key, hold.account, hold.asset, -part)
    opened = fill.value * (fill.quantity - closed) // fill.quantity * MARGIN_PERCENT // 100
    if opened:
        yield HoldChange(HoldKey(*position.purpose, fill.order_id), Account.CASH, INR, opened)
