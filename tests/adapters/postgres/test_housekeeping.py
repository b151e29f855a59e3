"""What only PostgreSQL's housekeeping promises: rows find their partitions, and nobody waits long for it."""

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
KEPT = ("order_answers", "effects", "sagas", "saga_orders", "saga_steps")
EMPTY: dict[str, int] = dict.fromkeys([*KEPT, "trades"], 0)


@pytest.fixture
def housekeeping(database: Database, broker: Broker) -> PostgresHousekeeping:
    """Every effect has been sent."""
    broker.rows("DELETE FROM effects_outbox")
    return PostgresHousekeeping(database)


def strays(broker: Broker) -> dict[str, int]:
    return {table: broker.value(f"SELECT count(*) FROM {table}_default") for table in EMPTY}


def put(broker: Broker, at: datetime) -> None:
    """One row of everything that retention removes, as of `at`."""
    made = UUID(int=first_id(at).int | 7 << 76 | 2 << 62)
    answer = "INSERT INTO order_answers VALUES (%s, %s, %s, '', 202, '{}')"
    broker.rows(answer, ALICE, made, str(made))
    broker.rows("INSERT INTO effects VALUES (%s, %s, %s, '[]')", ALICE, made.int % 2**40, at)
    broker.rows("INSERT INTO sagas VALUES (%s, %s, %s, 1, 0, %s)", made, at, at, at)
    broker.rows("INSERT INTO saga_orders VALUES (%s, %s, %s)", made, ALICE, made)
    broker.rows("INSERT INTO saga_steps VALUES (%s, %s, 'confirm', 'NEW', '', ARRAY[%s])", made, at, made)


async def test_rows_find_the_partitions_made_ahead(broker: Broker, housekeeping: PostgresHousekeeping):
    await housekeeping.prepare(NOW, date(2031, 3, 12))
    put(broker, NOW)
    put(broker, NOW + 3 * DAY)
    assert strays(broker) == EMPTY
    assert broker.value("SELECT count(*) FROM saga_orders_2031_03_10") == 2


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


async def test_reader_delays_a_drop_but_not_the_writers(broker: Broker, housekeeping: PostgresHousekeeping):
    await housekeeping.prepare(NOW, date(2031, 3, 12))
    with psycopg.connect(broker.url) as reader:
        reader.execute("SELECT count(*) FROM effects")
        drop = asyncio.create_task(housekeeping.drop_expired(NOW + 90 * DAY))
        await broker.place(3)
        assert not drop.done()
        reader.rollback()
        assert "effects_2031_03_12" in await drop


async def test_key_is_free_again_after_seven_days(broker: Broker):
    first = await broker.intake.take(a_candidate("key"))
    again = await broker.intake.take(a_candidate("key"))
    assert (again.replayed, again.answer) == (True, first.answer)
    old = first_id(datetime.now(UTC) - 7 * DAY - timedelta(minutes=1))
    broker.rows("UPDATE order_answers SET order_id = %s", old)
    later: Any = await broker.intake.take(a_candidate("key"))
    assert (later.replayed, later.answer.order_id != first.answer.order_id) == (False, True)
