"""The ledger as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AccountSum:
    """An account's sum over the ledger in paise or shares; `accounts` is what the clients' rows say, where it has any.

    Credits minus debits: what is owed to the account's owner.
    """

    account: str
    asset: str
    balance: int
    accounts: int | None


@dataclass(frozen=True, slots=True)
class LedgerSums:
    """Every account's sum at one instant; the checkpoint it was taken from, None before the first."""

    taken_at: datetime
    checkpoint_at: datetime | None
    sums: Sequence[AccountSum]


class LedgerBook(Protocol):
    """Sums over all of it. Raises UnavailableError."""

    async def sums(self) -> LedgerSums:
        """Every account's exact sum: checkpoint and tail of one snapshot."""

    async def take_checkpoint(self) -> bool:
        """Add a bounded part of what is older than every running transaction; True while there is more."""
