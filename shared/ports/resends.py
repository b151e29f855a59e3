"""Asking the venue for trades again. Each verb raises UnavailableError, and `TooOldError`."""

from typing import Protocol

from shared.domain.market_data.tape import Resend


class TooOldError(Exception):
    """The venue keeps these trades no longer: what they would complete stays incomplete."""


class Resends(Protocol):
    """The venue's records of trades."""

    async def after(self, instrument_id: str, epoch: int, sequence: int, most: int = 1000) -> Resend | None:
        """At most `most` trades of the epoch after the sequence; None for an epoch or instrument unknown there."""

    async def of_minute(self, instrument_id: str, minute: int) -> Resend | None:
        """All trades of one exchange minute, of every epoch and phase; None for an instrument unknown there."""
