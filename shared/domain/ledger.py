"""The chart of accounts, double entry, and what a hold must keep.

A transfer moves one amount of one asset from a debited to a credited account, so every ledger
transaction sums to zero per asset by construction. A client's balance is credits minus debits.
Codes that begin with `client.` belong to the transfer's user, all others to the house.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.domain.orders import Order, Side

INR = "INR"


class Account(StrEnum):
    """The chart of accounts."""

    CASH = "client.cash"
    UNSETTLED_CASH = "client.unsettled_cash"
    HOLDINGS = "client.holdings"
    UNSETTLED_SHARES = "client.unsettled_shares"
    CLEARING = "clearing"
    """What we owe to, or are owed by, the clearing corporation until settlement."""
    BROKERAGE = "house.brokerage"
    EXCHANGE_FEES = "exchange.fees"
    TAXES = "tax"
    BANK = "external.bank"
    """The world outside, for pay-ins."""
    DEPOSITORY = "external.depository"
    """The world outside, for securities brought in."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One line of the ledger: `amount` (> 0) of `asset` from `debit` to `credit`."""

    user_id: UUID
    entry_id: UUID
    debit: Account
    credit: Account
    asset: str
    amount: int
    reason: str
    order_id: UUID | None = None


@dataclass(slots=True)
class Balance:
    """One client account: `held` is the sum of its open holds."""

    balance: int = 0
    held: int = 0

    @property
    def available(self) -> int:
        return self.balance - self.held


@dataclass(slots=True)
class Hold:
    """Captured by every fill, released when the worst case shrinks; open = amount - captured - released."""

    user_id: UUID
    order_id: UUID
    request_id: UUID
    account: Account
    asset: str
    amount: int
    captured: int = 0
    released: int = 0

    @property
    def open(self) -> int:
        return self.amount - self.captured - self.released


type TotalCharges = Callable[[int], int]
"""Charges in paise on an order's cumulative notional: zero at zero and never falling."""


def hold_account(order: Order) -> tuple[Account, str]:
    """A BUY holds cash, a SELL holds the shares."""
    return (Account.CASH, INR) if order.side is Side.BUY else (Account.HOLDINGS, order.instrument_id)


def worst_case(order: Order, charges: TotalCharges) -> int:
    """What the hold must keep for the leaves: shares, or their cost at the limit with the charges to come."""
    leaves = order.leaves_quantity
    if order.side is Side.SELL or leaves == 0:
        return leaves
    value = leaves * order.limit_price
    return value + charges(order.notional + value) - charges(order.notional)
