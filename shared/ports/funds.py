"""Where a client's money is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from shared.domain.ledger.accounts import Account


@dataclass(frozen=True, slots=True)
class CashHold:
    """The open part of one order's hold, with what it was made of; paise."""

    order_id: UUID
    instrument_id: str
    amount: int
    captured: int
    released: int

    @property
    def open(self) -> int:
        return self.amount - self.captured - self.released


@dataclass(frozen=True, slots=True)
class FundsRecord:
    """One instant of a client's money in paise; what is named `today` moved on `trade_date`, India's market date."""

    trade_date: date
    cash: int
    held: int
    unsettled_cash: int
    cash_change_today: int
    paid_in_today: int
    paid_out_today: int
    bought_today: int
    sold_today: int
    charges_today: int
    holds: Sequence[CashHold]


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One ledger line as its account sees it: `change` is negative when money left; `balance` is after the line."""

    transfer_no: int
    entry_id: UUID
    booked_at: datetime
    reason: str
    order_id: UUID | None
    counter_account: str
    change: int
    balance: int


@dataclass(frozen=True, slots=True)
class StatementPosition:
    """Where a page of a statement ends, newest lines first, and the account's balance before its last line."""

    transfer_no: int
    balance: int


class FundsReader(Protocol):
    """Reads one client's money."""

    async def funds(self, user_id: UUID) -> FundsRecord:
        """Everything at one instant. Raises UnavailableError."""

    async def statement(
        self, user_id: UUID, account: Account, after: StatementPosition | None, limit: int
    ) -> Sequence[StatementLine]:
        """At most `limit` lines of the account in INR that are older than the position. Raises UnavailableError."""
