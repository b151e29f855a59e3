"""`Housekeeping`: partitions come before they are needed and go with the last row's retention, never what is in use."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.housekeeping import PostgresHousekeeping
from shared.domain.ids import first_id
from shared.ports.housekeeping import Housekeeping
from tests.fakes.housekeeping import MemoryHousekeeping
from tests.support.values import ALICE

NOW = datetime(2031, 3, 12, 12, tzinfo=UTC)  # a Wednesday
TODAY = date(2031, 3, 12)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
MONDAY = datetime(2031, 3, 17, tzinfo=UTC)
SAGAS = ["sagas_2031_03_10", "saga_orders_2031_03_10", "saga_steps_2031_03_10"]


@dataclass(frozen=True)
class Kept:
    """One implementation, and what happens to rows beside it."""

    housekeeping: Housekeeping
    use: Callable[[datetime], None]
    """A saga starts and an effect is written; neither is done with."""
    settle: Callable[[], None]
    """Every saga finishes, every effect is sent."""
    reply: Callable[[datetime], None]
    """The answer to a call is stored."""

    async def dropped(self, now: datetime) -> list[str]:
        """What goes of the partitions that a test has made; a migration made others."""
        return [name for name in await self.housekeeping.drop_expired(now) if "_2031_" in name]


@pytest.fixture
def memory_kept() -> Kept:
    memory = MemoryHousekeeping()

    def use(at: datetime) -> None:
        memory.running_since.append(at)
        memory.unsent_since.append(at)

    def settle() -> None:
        memory.running_since.clear()
        memory.unsent_since.clear()

    return Kept(memory, use, settle, memory.replies.append)


@pytest.fixture
def postgres_kept(database: Database, postgres_url: str) -> Kept:
    def run(statement: str, *values: object) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(statement, values)

    def use(at: datetime) -> None:
        saga_id = UUID(int=first_id(at).int | 7 << 76 | 2 << 62)
        run("INSERT INTO sagas VALUES (%s, %s, %s, 1, 0, NULL)", saga_id, at, at)
        run("INSERT INTO effects_outbox VALUES (%s, %s, '{}', '{}')", saga_id, at)

    def settle() -> None:
        run("UPDATE sagas SET finished_at = now()")
        run("DELETE FROM effects_outbox")

    def reply(at: datetime) -> None:
        run("INSERT INTO idempotent_answers VALUES (%s, %s, '', 200, '{}', %s)", ALICE, str(at), at)

    return Kept(PostgresHousekeeping(database), use, settle, reply)


@pytest.fixture(params=["memory", "postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    return request.getfixturevalue(f"{request.param}_kept")


async def test_weeks_days_and_months_are_made_once_ahead(kept: Kept) -> None:
    made = await kept.housekeeping.prepare(NOW, date(2031, 12, 31))
    weekly = [f"{table}_2031_03_{day}" for table in ("sagas", "saga_orders", "saga_steps") for day in (10, 17)]
    effects = [f"effects_2031_03_{day}" for day in (12, 13, 14, 15)]
    months = ["trades_2031_12", "trades_2032_01", "trades_2032_02"]
    assert made == ["order_answers_2031_03_10", "order_answers_2031_03_17", *effects, *weekly, *months]
    assert await kept.housekeeping.prepare(NOW, date(2031, 12, 31)) == []


async def test_next_run_makes_only_what_has_come_nearer(kept: Kept) -> None:
    await kept.housekeeping.prepare(NOW, date(2031, 3, 31))
    assert await kept.housekeeping.prepare(NOW + DAY, date(2031, 4, 1)) == ["effects_2031_03_16", "trades_2031_06"]


@pytest.mark.parametrize(
    ("names", "gone_at"),
    [
        (["order_answers_2031_03_10"], MONDAY + 7 * DAY),
        (["effects_2031_03_12"], datetime(2031, 3, 13, tzinfo=UTC) + 8 * DAY),
        (SAGAS, MONDAY + 14 * DAY),
    ],
)
async def test_partition_goes_when_its_last_row_may(kept: Kept, names: list[str], gone_at: datetime) -> None:
    await kept.housekeeping.prepare(NOW, TODAY)
    assert not {*names} & {*await kept.dropped(gone_at - SECOND)}
    assert {*names} <= {*await kept.dropped(gone_at)}
    assert not {*names} & {*await kept.dropped(gone_at)}


async def test_what_is_in_use_keeps_its_partition(kept: Kept) -> None:
    await kept.housekeeping.prepare(NOW, TODAY)
    kept.use(NOW)
    assert await kept.dropped(NOW + 90 * DAY) == ["order_answers_2031_03_10", "order_answers_2031_03_17"]
    kept.settle()
    assert {*SAGAS, "effects_2031_03_12"} <= {*await kept.dropped(NOW + 90 * DAY)}


async def test_trades_stay_for_good(kept: Kept) -> None:
    await kept.housekeeping.prepare(NOW, TODAY)
    assert not [name for name in await kept.dropped(NOW + 10_000 * DAY) if name.startswith("trades")]


async def test_other_answers_go_after_seven_days_in_bites(kept: Kept) -> None:
    limit = datetime.now(UTC) - 7 * DAY
    for seconds in (60, -60, -120, -180):
        kept.reply(limit + seconds * SECOND)
    assert [await kept.housekeeping.forget(2) for _ in range(3)] == [2, 1, 0]
