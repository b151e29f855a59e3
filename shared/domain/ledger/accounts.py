"""The chart of accounts.

Codes that begin with `client.` belong to a user, all others to the house. A client's balance is credits minus debits.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from shared.domain.charges.charge import Payee

INR: Final = "INR"
"""The asset of money, in paise; every other asset is a security_id, in shares or contracts."""


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

    @property
    def is_client(self) -> bool:
        """Whether the account is a user's; all others are the house's."""
        return self in CLIENT_ACCOUNTS


CLIENT_ACCOUNTS: Final = frozenset(account for account in Account if account.value.startswith("client."))
PAYEES: Final[Mapping[Payee, Account]] = {
    Payee.HOUSE: Account.BROKERAGE,
    Payee.EXCHANGE: Account.EXCHANGE_FEES,
    Payee.TAX: Account.TAXES,
}


class AssetKey(NamedTuple):
    """All of a user's accounts in one asset: what a unit of work loads together."""

    user_id: UUID
    asset: str


class BalanceKey(NamedTuple):
    """One account of a user in one asset."""

    user_id: UUID
    account: Account
    asset: str
