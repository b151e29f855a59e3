"""Reading 1-minute candles: recent ones where ingest makes them, older ones from history."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from shared.domain.market_data.candles import Candle


class RecentCandles(msgspec.Struct, frozen=True):
    """Candles that history may not have yet: those of the running minute, and closed ones."""

    candles: Sequence[Candle] = ()
    """One a minute and session, in order of time."""
    incomplete_from: int | None = None
    """Start of the first minute in which trades may be missing, whether it has a candle or not, in microseconds; None:
    nothing is missing. Set for as long as a gap in the feed is being closed, usually about a second."""


class LiveCandles(Protocol):
    """Candles as ingest makes them."""

    async def recent(self, instrument_id: str) -> RecentCandles:
        """The instrument's candles that history has not confirmed. Join them with history by `newest`.

        Raises UnavailableError.
        """


class CandleHour(msgspec.Struct, frozen=True):
    """Document of one instrument and one hour (UTC): its candles by (start, session), and the version that was read."""

    instrument_id: str
    hour: int
    """Start of the hour, in microseconds since 1970 UTC."""
    candles: Sequence[Candle]
    etag: str | None = None
    """None: the document does not exist yet."""


class CandleHistory(Protocol):
    """Closed candles for good. Each verb raises UnavailableError."""

    async def hours(self, instrument_id: str, first: int, last: int) -> Sequence[CandleHour]:
        """The documents of the hours from `first` up to and including `last`, in order of time, those that exist."""

    async def put(self, hour: CandleHour) -> bool:
        """Write the document if it still has the version `etag` (None: if it does not exist yet).

        False: somebody else wrote it meanwhile, and nothing has changed; read, merge by `newest` and put again.
        """
