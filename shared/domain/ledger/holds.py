"""Holds: the part of a balance that something open may still need."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from shared.domain.ledger.accounts import Account
from shared.domain.positions import PositionKey


@dataclass(slots=True)
class Balance:
    """One client account: `held` is the sum of its open holds."""

    balance: int = 0
    held: int = 0

    @property
    def available(self) -> int:
        """What nothing holds."""
        return self.balance - self.held


class HoldSource(StrEnum):
    """What needs a hold. A margin outlives its order; a pledge and a withdrawal have none."""

    ORDER = "ORDER"
    POSITION = "POSITION"
    PLEDGE = "PLEDGE"
    WITHDRAWAL = "WITHDRAWAL"


class HoldPurpose(NamedTuple):
    """What holds are kept for; all holds of one purpose are loaded and summed together."""

    user_id: UUID
    source: HoldSource
    source_id: UUID


class HoldKey(NamedTuple):
    """One hold: an order has one for each request that asked for more (its own id first, then each replace's)."""

    user_id: UUID
    source: HoldSource
    source_id: UUID
    request_id: UUID

    @property
    def purpose(self) -> HoldPurpose:
        return HoldPurpose(self.user_id, self.source, self.source_id)


def holds_of(position: PositionKey) -> HoldPurpose:
    """What holds are kept for when they are kept for a position."""
    _, trade_date, instrument_id, product = position
    return HoldPurpose(
        position.user_id, HoldSource.POSITION, uuid5(position.user_id, f"{trade_date}/{instrument_id}/{product}")
    )


class HoldChange(NamedTuple):
    """Hold `change` more of an account, or release so much of the hold where it is negative."""

    key: HoldKey
    account: Account
    asset: str
    change: int


@dataclass(slots=True)
class Hold:
    """Captured by fills, released when less is needed; open = amount - captured - released."""

    key: HoldKey
    account: Account
    asset: str
    amount: int
    captured: int = 0
    released: int = 0

    @property
    def open(self) -> int:
        """What is still held."""
        return self.amount - self.captured - self.released
