"""The market's clock in PostgreSQL: read once for all who wait."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.reference import load_reference_data
from shared.domain.instruments.instrument import EQUITY

NSE = load_reference_data().calendars["nse"]
NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def set_clock(url: str, offset: timedelta) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM market_clock")
        connection.execute("INSERT INTO market_clock (offset_us) VALUES (%s)", (offset // timedelta(microseconds=1),))


async def test_a_stale_clock_is_read_once_for_all(
    database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(postgres_url, timedelta(days=2))
    connection, readings = database.connection, []

    def counted() -> object:
        readings.append(1)
        return connection()

    monkeypatch.setattr(database, "connection", counted)
    market = PostgresMarket(database, {EQUITY: NSE})
    times = await asyncio.gather(*(market.time() for _ in range(200)))
    assert {time.offset for time in times} == {timedelta(days=2)}
    assert len(readings) == 1
