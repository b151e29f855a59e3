"""Housekeeping's runs: what they cover, how long they may take, and that the next one goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.application import housekeeping
from shared.application.housekeeping import Upkeep
from shared.domain.instruments.instrument import EQUITY
from shared.domain.sessions import MarketTime
from shared.ports.ledger import LedgerSums
from tests.support.broker import CALENDAR

AHEAD = timedelta(days=60)


@dataclass
class Recording:
    """Every port of housekeeping at once; `parts` of the checkpoint and `rows` of single answers are left to do."""

    parts: int = 3
    rows: int = 12_000
    prepared: list[tuple[datetime, date]] = field(default_factory=list)
    windows: list[tuple[datetime, datetime]] = field(default_factory=list)

    async def time(self) -> MarketTime:
        closed_today = replace(CALENDAR, holidays={CALENDAR.trade_date(datetime.now(UTC) + AHEAD): "closed"})
        return MarketTime({"LATE": closed_today, EQUITY: CALENDAR}, AHEAD)

    async def prepare(self, now: datetime, trade_date: date) -> Sequence[str]:
        self.prepared.append((now, trade_date))
        return []

    async def drop_expired(self, now: datetime) -> Sequence[str]:
        return []

    async def forget(self, most: int) -> int:
        removed = min(most, self.rows)
        self.rows -= removed
        return removed

    async def sums(self) -> LedgerSums:
        raise NotImplementedError

    async def take_checkpoint(self) -> bool:
        self.parts -= 1
        return self.parts > 0

    async def purge(self, since: datetime, until: datetime) -> int:
        self.windows.append((since, until))
        return 1


@pytest.fixture
def ports() -> Recording:
    return Recording()


@pytest.fixture
def upkeep(ports: Recording) -> Upkeep:
    return Upkeep(ports, ports, ports)


async def test_trades_are_prepared_for_the_first_segment_s_date(upkeep: Upkeep, ports: Recording):
    await upkeep.prepare()
    ((now, trade_date),) = ports.prepared
    assert trade_date == CALENDAR.trade_date(now + AHEAD)
    assert ports.parts == 0


async def test_finished_sagas_are_purged_without_gaps_up_to_a_week_ago(upkeep: Upkeep, ports: Recording):
    await upkeep.retire(ports)
    assert ports.rows == 0
    assert [until for _, until in ports.windows[:-1]] == [since for since, _ in ports.windows[1:]]
    assert max(until - since for since, until in ports.windows[1:]) <= timedelta(hours=1)
    assert ports.windows[0][0] == datetime.fromtimestamp(0, UTC)
    assert timedelta(days=7) <= datetime.now(UTC) - ports.windows[-1][1] < timedelta(days=7, minutes=1)


async def test_run_ends_in_time_and_leaves_the_rest(upkeep: Upkeep, ports: Recording, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(housekeeping, "_LONGEST_S", 0.0)
    await upkeep.prepare()
    await upkeep.retire(ports)
    assert (ports.parts, ports.rows, ports.windows) == (2, 12_000, [])
