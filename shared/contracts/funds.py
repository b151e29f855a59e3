"""Money over HTTP: what is there, what it is used for, and the ledger lines behind it."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from shared.contracts.common import Id, Instant, OwnerQuery, Page, PageQuery, Rupees, View
from shared.contracts.cursors import NUMBER, CursorFormat


class AvailableFunds(View):
    """What is there, in INR."""

    cash: Annotated[Rupees, Field(description="Settled cash, holds included")]
    opening_balance: Annotated[Rupees, Field(description="Cash when the trade date began")]
    live_balance: Annotated[Rupees, Field(description="Buying power: cash minus holds")]
    intraday_payin: Annotated[Rupees, Field(description="Paid in today")]
    unsettled_cash: Annotated[Rupees, Field(description="Sale proceeds that are not settled yet")]


class CashHoldView(View):
    """Cash that one working order keeps: open = amount - captured - released."""

    order_id: Id
    instrument_id: str
    amount: Rupees
    captured: Rupees
    released: Rupees
    open: Rupees


class UtilisedFunds(View):
    """What it is used for, in INR; what is named by a day happened on the trade date."""

    holds: Annotated[Rupees, Field(description="Sum of the open holds of working orders")]
    delivery: Annotated[Rupees, Field(description="Paid for shares bought today")]
    charges: Annotated[Rupees, Field(description="Charges of today's trades")]
    holding_sales: Annotated[Rupees, Field(description="Value of shares sold today")]
    payout: Annotated[Rupees, Field(description="Paid out today")]
    by_order: list[CashHoldView]


class FundsView(View):
    """Everything at one instant."""

    user_id: Id
    trade_date: str
    available: AvailableFunds
    utilised: UtilisedFunds


STATEMENT: Final = CursorFormat(NUMBER, NUMBER)
"""The last line's number, and the balance before it."""


class StatementAccount(StrEnum):
    """CASH: settled; UNSETTLED_CASH: sale proceeds that are not settled yet."""

    CASH = "CASH"
    UNSETTLED_CASH = "UNSETTLED_CASH"


class StatementQuery(OwnerQuery, PageQuery):
    """Which account's lines to list, newest first."""

    account: StatementAccount = StatementAccount.CASH
    cursor: Annotated[str, STATEMENT] | None = None


class StatementLineView(View):
    """One ledger line; `amount` is negative when money left the account, `balance` is after the line."""

    line_no: int
    entry_id: Annotated[Id, Field(description="Lines of one ledger transaction share it")]
    booked_at: Instant
    reason: str
    counter_account: str
    order_id: Id | None
    amount: Rupees
    balance: Rupees


StatementPage = Page[StatementLineView]
