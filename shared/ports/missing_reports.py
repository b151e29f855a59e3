"""What is needed to find reports that never arrived: the venue's newest numbers, and the positions we have reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.domain.orders.order import OrderKey


@dataclass(frozen=True, slots=True)
class IssuedReports:
    """How many numbered reports the venue has issued for an order."""

    key: OrderKey
    last_sequence: int


@dataclass(frozen=True, slots=True)
class ChangedOrders:
    """A page of orders with new reports; `positions` say where each lane continues, `more` whether there is more."""

    positions: Mapping[str, int]
    orders: Sequence[IssuedReports]
    more: bool


class VenueChanges(Protocol):
    """The venue's records of what it has issued."""

    async def changes(self, positions: Mapping[str, int], settled: timedelta) -> ChangedOrders:
        """The orders of these lanes with a report behind the lane's position that is at least `settled` old.

        Raises UnavailableError.
        """


class LanePositions(Protocol):
    """Our side. Raises UnavailableError."""

    async def positions(self) -> Mapping[str, int]:
        """Where each lane continues; a lane that was never asked about is left out."""

    async def behind(self, issued: Sequence[IssuedReports]) -> Sequence[IssuedReports]:
        """Those whose order works at the venue and has not accounted for as many reports."""

    async def move(self, positions: Mapping[str, int]) -> None:
        """Continue from here. A position that is behind the stored one changes nothing."""
