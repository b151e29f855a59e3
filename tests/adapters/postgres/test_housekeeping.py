"""Partitions come before they are needed and go with the last row's retention, whatever is in flight."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.housekeeping import PostgresHousekeeping
from shared.domain.ids import first_id
from tests.support.broker import Broker, a_candidate
from tests.support.values import ALICE

NOW = datetime(2031, 3, 12, 12, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)
KEPT = {
    "order_answers": 7 * DAY,
    "effects": 8 * DAY,
    "sagas": 14 * DAY,
    "saga_orders": 14 * DAY,
    "saga_steps": 14 * DAY,
}
EMPTY: dict[str, int] = dict.fromkeys([*KEPT, "trades"], 0)


@pytest.fixture
def housekeeping(database: Database, broker: Broker) -> PostgresHousekeeping:
    """Every effect has been sent."""
    broker.rows("DELETE FROM effects_outbox")
    return PostgresHousekeeping(database)


def strays(broker: Broker) -> dict[str, int]:
    return {table: broker.value(f"SELECT count(*) FROM {table}_default") for table in EMPTY}


def partitions(broker: Broker, table: str) -> list[str]:
    found = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"
    return [name for (name,) in broker.rows(found, table) if not name.endswith("_default")]


def put(broker: Broker, at: datetime, *, finished: bool = True) -> UUID:
    """One row of everything that retention removes, as of `at`; returns its saga."""
    made = UUID(int=first_id(at).int | 7 << 76 | 2 << 62)
    answer = "INSERT INTO order_answers VALUES (%s, %s, %s, '', 202, '{}')"
    broker.rows(answer, ALICE, made, str(made))
    broker.rows("INSERT INTO effects VALUES (%s, %s, 'balances', '{}', %s)", ALICE, made.int % 2**40, at)
    finished_at = at if finished else None
    broker.rows("INSERT INTO sagas VALUES (%s, %s, %s, 1, 0, %s)", made, at, at, finished_at)
    broker.rows("INSERT INTO saga_orders VALUES (%s, %s, %s)", made, ALICE, made)
    broker.rows("INSERT INTO saga_steps VALUES (%s, %s, 'confirm', 'NEW', '', ARRAY[%s])", made, at, made)
    return made


async def test_weeks_days_and_months_are_made_ahead(broker: Broker, housekeeping: PostgresHousekeeping):
    made = await housekeeping.prepare(NOW, date(2031, 12, 31))
    weekly = [f"{table}_2031_03_{day}" for table in ("sagas", "saga_orders", "saga_steps") for day in (10, 17)]
    effects = [f"effects_2031_03_{day}" for day in (12, 13, 14, 15)]
    months = ["trades_2031_12", "trades_2032_01", "trades_2032_02"]
    assert made == ["order_answers_2031_03_10", "order_answers_2031_03_17", *effects, *weekly, *months]
    assert await housekeeping.prepare(NOW, date(2031, 12, 31)) == []
    put(broker, NOW + 3 * DAY)
    assert strays(broker) == EMPTY


async def test_rows_that_came_too_early_move_into_their_partition(broker: Broker, housekeeping: PostgresHousekeeping):
    put(broker, NOW)
    before = strays(broker)
    await housekeeping.prepare(NOW, date(2031, 3, 12))
    assert (before, strays(broker)) == (EMPTY | dict.fromkeys(KEPT, 1), EMPTY)
    assert [broker.value(f"SELECT count(*) FROM {table}_2031_03_10") for table in ("sagas", "saga_steps")] == [1, 1]


async def test_processes_prepare_and_drop_side_by_side(broker: Broker, housekeeping: PostgresHousekeeping):
    made = await asyncio.gather(*(housekeeping.prepare(NOW, date(2031, 3, 12)) for _ in range(4)))
    assert len({name for names in made for name in names}) == sum(map(len, made)) == 15
    put(broker, NOW)
    dropped = await asyncio.gather(*(housekeeping.drop_expired(NOW + 60 * DAY) for _ in range(3)))
    assert {"sagas_2031_03_10", "effects_2031_03_12"} <= {name for names in dropped for name in names}


@pytest.mark.parametrize("table", KEPT)
async def test_partition_goes_when_its_last_row_may(broker: Broker, housekeeping: PostgresHousekeeping, table: str):
    await housekeeping.prepare(NOW, date(2031, 3, 12))
    put(broker, NOW)
    first, following = [name for name in partitions(broker, table) if "2031" in name][:2]
    end = datetime.strptime(following.removeprefix(f"{table}_"), "%Y_%m_%d").replace(tzinfo=UTC)
    early = await housekeeping.drop_expired(end + KEPT[table] - timedelta(seconds=1))
    assert first not in early
    assert broker.value(f"SELECT count(*) FROM {table} WHERE tableoid = %s::regclass", first) == 1
    assert first in await housekeeping.drop_expired(end + KEPT[table])
    assert first not in partitions(broker, table)


async def test_what_is_in_use_keeps_its_partition(broker: Broker, housekeeping: PostgresHousekeeping):
    await housekeeping.prepare(NOW, date(2031, 3, 12))
    put(broker, NOW, finished=False)
    broker.rows("INSERT INTO effects_outbox VALUES (%s, %s, '{}', '{}', '{}')", first_id(NOW), NOW)
    dropped = await housekeeping.drop_expired(NOW + 90 * DAY)
    assert [name for name in dropped if "2031" in name] == ["order_answers_2031_03_10", "order_answers_2031_03_17"]
    broker.rows("UPDATE sagas SET finished_at = now()")
    broker.rows("DELETE FROM effects_outbox")
    dropped = await housekeeping.drop_expired(NOW + 90 * DAY)
    assert {"sagas_2031_03_10", "saga_orders_2031_03_10", "saga_steps_2031_03_10", "effects_2031_03_12"} <= set(dropped)


async def test_reader_delays_a_drop_but_not_the_writers(broker: Broker, housekeeping: PostgresHousekeeping):
    await housekeeping.prepare(NOW, date(2031, 3, 12))
    with psycopg.connect(broker.url) as reader:
        reader.execute("SELECT count(*) FROM effects")
        drop = asyncio.create_task(housekeeping.drop_expired(NOW + 90 * DAY))
        await broker.place(3)
        assert not drop.done()
        reader.rollback()
        assert "effects_2031_03_12" in await drop


@pytest.mark.parametrize(("age", "left"), [(7 * DAY - timedelta(minutes=1), 1), (7 * DAY + timedelta(minutes=1), 0)])
async def test_other_answers_go_after_seven_days(
    broker: Broker, housekeeping: PostgresHousekeeping, age: timedelta, left: int
):
    created = datetime.now(UTC) - age
    broker.rows("INSERT INTO idempotent_answers VALUES (%s, 'key', '', 200, '{}', %s)", ALICE, created)
    assert await housekeeping.forget(10) == 1 - left
    assert broker.value("SELECT count(*) FROM idempotent_answers") == left


async def test_key_is_free_again_after_seven_days(broker: Broker):
    first = await broker.intake.take(a_candidate("key"))
    again = await broker.intake.take(a_candidate("key"))
    assert (again.replayed, again.answer) == (True, first.answer)
    old = first_id(datetime.now(UTC) - 7 * DAY - timedelta(minutes=1))
    broker.rows("UPDATE order_answers SET order_id = %s", old)
    later: Any = await broker.intake.take(a_candidate("key"))
    assert (later.replayed, later.answer.order_id != first.answer.order_id) == (False, True)
