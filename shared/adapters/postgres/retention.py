"""How long rows are kept that are no records, and the partitions by time in which they come and go.

A table is divided by a time or by a UUIDv7, whose first 48 bits are the milliseconds of its making.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from shared.domain.ids import first_id, made_at

ANSWERS_KEPT: Final = timedelta(days=7)
SAGAS_KEPT: Final = timedelta(days=14)
EFFECTS_KEPT: Final = timedelta(days=8)
_ORIGIN: Final = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday
_MONTHS_A_YEAR: Final = 12
_UPPER_BOUND: Final = re.compile(r" TO \('([^']+)'\)$")


@dataclass(frozen=True, slots=True)
class Span:
    """One partition: its name, and what it holds as SQL literals, from `first` on and below `following`."""

    table: str
    column: str
    name: str
    first: str
    following: str


@dataclass(frozen=True, slots=True)
class Divided:
    """A table in partitions of some days, with some of them made ahead."""

    table: str
    column: str
    by_id: bool
    length: timedelta
    ahead: int

    def spans(self, now: datetime) -> Iterator[Span]:
        """The present partition and those ahead."""
        first = _ORIGIN + (now - _ORIGIN) // self.length * self.length
        for number in range(self.ahead + 1):
            start = first + number * self.length
            bounds = self._bound(start), self._bound(start + self.length)
            yield Span(self.table, self.column, f"{self.table}_{start:%Y_%m_%d}", *bounds)

    def ends_at(self, bounds: str) -> datetime | None:
        """When what a partition holds ends, from its bounds as PostgreSQL writes them; None for the default one."""
        found = _UPPER_BOUND.search(bounds)
        if found is None:
            return None
        return made_at(UUID(found[1])) if self.by_id else datetime.fromisoformat(found[1])

    def _bound(self, at: datetime) -> str:
        return str(first_id(at)) if self.by_id else at.isoformat()


_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
ANSWERS: Final = Divided("order_answers", "order_id", by_id=True, length=_WEEK, ahead=1)
EFFECTS: Final = Divided("effects", "created_at", by_id=False, length=_DAY, ahead=3)
SAGAS: Final = tuple(
    Divided(table, "saga_id", by_id=True, length=_WEEK, ahead=1) for table in ("sagas", "saga_orders", "saga_steps")
)
DIVIDED: Final = (ANSWERS, EFFECTS, *SAGAS)


def trade_months(trade_date: date, ahead: int = 2) -> Iterator[Span]:
    """The month of `trade_date` and those ahead; trades are records, so their partitions stay."""
    for number in range(ahead + 1):
        first, following = _month(trade_date, number), _month(trade_date, number + 1)
        yield Span("trades", "trade_date", f"trades_{first:%Y_%m}", first.isoformat(), following.isoformat())


def oldest_kept_answer() -> UUID:
    """Answers of orders with lower ids are past their retention."""
    return first_id(datetime.now(UTC) - ANSWERS_KEPT)


def _month(day: date, ahead: int) -> date:
    months = day.year * _MONTHS_A_YEAR + day.month - 1 + ahead
    return date(months // _MONTHS_A_YEAR, months % _MONTHS_A_YEAR + 1, 1)
