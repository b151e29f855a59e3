"""How far ingest is behind the venue, written to the log now and then."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog

from shared.domain.errors import UnavailableError
from shared.ports.market import Market

_EVERY_S: Final = 10.0
_PATIENCE_S: Final = 0.2
_log = structlog.get_logger(__name__)


@dataclass
class _Interval:
    since: float = field(default_factory=time.monotonic)
    queue_ms: float = 0.0
    behind_us: list[float] = field(default_factory=list)


class Lag:
    """Delays of one process since its last line in the log."""

    def __init__(self, market: Market, every_s: float = _EVERY_S) -> None:
        self._market = market
        self._every_s = every_s
        self._interval = _Interval()

    async def note(self, enqueued_at: datetime | None, sent_at: Sequence[int]) -> None:
        """One batch is stored: when its last event was enqueued, and when its frames were sent, in exchange time."""
        now, interval = datetime.now(UTC), self._interval
        if enqueued_at is not None:
            interval.queue_ms = max(interval.queue_ms, (now - enqueued_at).total_seconds() * 1000)
        ours = now.timestamp() * 1_000_000
        interval.behind_us += [ours - each for each in sent_at]
        if time.monotonic() - interval.since >= self._every_s:
            self._interval = _Interval()
            await self._write(interval)

    async def _write(self, interval: "_Interval") -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                ahead = (await self._market.time()).offset.total_seconds() * 1000
        except (UnavailableError, TimeoutError):
            _log.warning("the market's clock cannot be read, so the age of market data is not known")
            return
        ages = sorted(each / 1000 + ahead for each in interval.behind_us) or [0.0]
        _log.info(
            "market data taken",
            frames=len(interval.behind_us),
            queue_max_ms=round(interval.queue_ms),
            feed_to_redis_p50_ms=round(ages[len(ages) // 2], 1),
            feed_to_redis_p99_ms=round(ages[int((len(ages) - 1) * 0.99)], 1),
        )
