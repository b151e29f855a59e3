"""What is kept for how long, in memory: partitions by name, and what is in use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from shared.domain.errors import UnavailableError

_DAY = timedelta(days=1)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_SAGAS = ("sagas", "saga_orders", "saga_steps")
_LENGTHS = {"order_answers": 7 * _DAY, "effects": _DAY} | dict.fromkeys(_SAGAS, 7 * _DAY)
_AHEAD = {"order_answers": 1, "effects": 3} | dict.fromkeys(_SAGAS, 1)
_KEPT = {"order_answers": 7 * _DAY, "effects": 8 * _DAY} | dict.fromkeys(_SAGAS, 14 * _DAY)
_REPLIES_KEPT = 7 * _DAY


@dataclass
class MemoryHousekeeping:
    """`Housekeeping` over facts that tests set."""

    made: dict[str, dict[str, datetime]] = field(default_factory=lambda: {table: {} for table in (*_LENGTHS, "trades")})
    """By table and name: when what the partition holds ends."""
    running_since: list[datetime] = field(default_factory=list)
    """When the sagas were started that have not finished."""
    unsent_since: list[datetime] = field(default_factory=list)
    """When the effects were written that have not been sent."""
    replies: list[datetime] = field(default_factory=list)

    async def prepare(self, now: datetime, trade_date: date) -> Sequence[str]:
        wanted = [*_periods(now), *_months(trade_date)]
        new = [(table, name, end) for table, name, end in wanted if name not in self.made[table]]
        for table, name, end in new:
            self.made[table][name] = end
        return [name for _, name, _ in new]

    async def drop_expired(self, now: datetime) -> Sequence[str]:
        in_use = {"effects": self.unsent_since} | dict.fromkeys(_SAGAS, self.running_since)
        dropped = []
        for table, kept in _KEPT.items():
            needed_since = min([now - kept, *in_use.get(table, ())])
            ended = [name for name, end in self.made[table].items() if end <= needed_since]
            for name in ended:
                del self.made[table][name]
            dropped += ended
        return dropped

    async def forget(self, most: int) -> int:
        old = [at for at in self.replies if at < datetime.now(UTC) - _REPLIES_KEPT][:most]
        for at in old:
            self.replies.remove(at)
        return len(old)


def _periods(now: datetime) -> Iterator[tuple[str, str, datetime]]:
    for table, length in _LENGTHS.items():
        first = now - (now - _MONDAY) % length
        for start in (first + number * length for number in range(_AHEAD[table] + 1)):
            yield table, f"{table}_{start:%Y_%m_%d}", start + length


def _months(trade_date: date) -> Iterator[tuple[str, str, datetime]]:
    start = datetime(trade_date.year, trade_date.month, 1, tzinfo=UTC)
    for _ in range(3):
        following = (start + 31 * _DAY).replace(day=1)
        yield "trades", f"trades_{start:%Y_%m}", following
        start = following


@dataclass
class MemoryFinishedSagas:
    """`FinishedSagas` over sagas that tests start and finish."""

    running: dict[str, datetime] = field(default_factory=dict)
    """When each was started, by its id."""
    finished: dict[str, datetime] = field(default_factory=dict)
    away: bool = False

    async def purge(self, since: datetime, until: datetime) -> int:
        if self.away:
            raise UnavailableError("The engine is away", retry_after_s=1)
        old = [saga for saga, started_at in self.finished.items() if since <= started_at <= until]
        for saga in old:
            del self.finished[saga]
        return len(old)
