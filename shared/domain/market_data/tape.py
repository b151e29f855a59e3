"""Trades one by one, as the venue's resend gives them."""

from collections.abc import Sequence

import msgspec

from shared.domain.market_data.quotes import Mark, SessionPhase


class Trade(msgspec.Struct, frozen=True):
    """One trade: price in paise, times in microseconds since 1970 UTC."""

    epoch: int
    sequence: int
    exchange_time: int
    """Of the trade itself, which decides its minute."""
    phase: SessionPhase
    price: int
    quantity: int

    @property
    def mark(self) -> Mark:
        """The trade's place in the instrument's stream."""
        return Mark(self.epoch, self.sequence)


class Resend(msgspec.Struct, frozen=True):
    """Answer (JSON) to a resend query; trades in the order of (epoch, sequence)."""

    trades: Sequence[Trade]
    epoch: int
    """The venue's present epoch."""
    through_sequence: int
    """Complete, with the pages that follow, up to and including this sequence of `epoch`."""
    next_after: int | None = None
    """More trades follow this sequence: ask again with `after`, and for a minute with `next_epoch` as `epoch`."""
    next_epoch: int | None = None

    @property
    def through(self) -> Mark:
        """The last event that the answer takes account of."""
        return Mark(self.epoch, self.through_sequence)
