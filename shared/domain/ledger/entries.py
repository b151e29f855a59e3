"""Ledger entries: what moves together, with or without an order.

A leg moves one amount of one asset from a debited to a credited account, so every entry sums to zero per asset by
construction.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from shared.domain.ledger.accounts import Account
from shared.domain.orders.terms import Product


class EntrySource(StrEnum):
    """What an entry comes from."""

    ORDER = "ORDER"
    OPENING = "OPENING"
    PAY_IN = "PAY_IN"
    PAY_OUT = "PAY_OUT"
    SETTLEMENT = "SETTLEMENT"
    CORPORATE_ACTION = "CORPORATE_ACTION"
    JOURNAL = "JOURNAL"


class LegReason(StrEnum):
    """What a leg is for, as a client reads it on a statement."""

    BUY_VALUE = "buy value"
    BOUGHT = "bought"
    SALE_VALUE = "sale value"
    SOLD = "sold"
    CHARGES = "charges"
    OPENING_DEPOSIT = "opening deposit"
    PAY_IN = "pay-in"
    PAY_OUT = "pay-out"
    FEES_PAID = "fees paid"
    SETTLED = "settled"


class EntryKey(NamedTuple):
    """What makes an entry unique. A house entry has no user."""

    user_id: UUID | None
    entry_id: UUID


class Leg(NamedTuple):
    """`amount` (> 0) of `asset` from `debit` to `credit`: paise of INR, or shares of a security."""

    debit: Account
    credit: Account
    asset: str
    amount: int
    reason: LegReason


class Acquisition(NamedTuple):
    """Securities that came in without a trade, and what they had cost (paise)."""

    instrument_id: str
    product: Product
    security_id: str
    quantity: int
    value: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One ledger transaction that is no order's: a deposit, a settlement, a corporate action, a correction.

    `entry_id` is derived from what caused it, so that posting it again changes nothing. `user_id` is None exactly when
    no leg touches a client's account. Raises ValueError for legs that are none.
    """

    user_id: UUID | None
    entry_id: UUID
    source: EntrySource
    legs: tuple[Leg, ...]
    acquisitions: tuple[Acquisition, ...] = ()

    def __post_init__(self) -> None:
        if not self.legs:
            raise ValueError("an entry needs a leg")
        for leg in self.legs:
            if leg.amount <= 0 or leg.debit is leg.credit:
                raise ValueError(f"a leg moves more than nothing between two accounts, not {leg}")
        touches_client = any(account.is_client for leg in self.legs for account in (leg.debit, leg.credit))
        if touches_client == (self.user_id is None):
            raise ValueError("an entry has a user exactly when a leg touches a client's account")
        if self.source is EntrySource.ORDER:
            raise ValueError("an order's entries are made by its events")
        if self.acquisitions and self.user_id is None:
            raise ValueError("the house acquires no positions")

    @property
    def key(self) -> EntryKey:
        return EntryKey(self.user_id, self.entry_id)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One line of the ledger as it is written: a leg with its entry, its source and the order that caused it."""

    user_id: UUID | None
    entry_id: UUID
    debit: Account
    credit: Account
    asset: str
    amount: int
    reason: LegReason
    source: EntrySource
    order_id: UUID | None = None
