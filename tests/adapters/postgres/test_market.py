"""The market's clock: read once for all who wait, and refused in plain words when it leaves the calendar."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.reference import load_reference_data
from shared.application.timing import Timing, venue_deadlines
from shared.domain.errors import UnavailableError
from shared.domain.sessions import MarketTime

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
    market = PostgresMarket(database, NSE)
    times = await asyncio.gather(*(market.time() for _ in range(200)))
    assert {time.offset for time in times} == {timedelta(days=2)}
    assert len(readings) == 1


async def test_a_changed_clock_is_seen_once_it_is_stale(database: Database, postgres_url: str) -> None:
    market = PostgresMarket(database, NSE, keep_s=0)
    assert (await market.time()).offset == timedelta(0)
    set_clock(postgres_url, -timedelta(days=2))
    assert (await market.time()).offset == -timedelta(days=2)


def test_session_rules_read_the_market_clock_and_deadlines_ours() -> None:
    two_days_ahead = MarketTime(NSE, timedelta(days=2))
    assert two_days_ahead.trade_date(NOON) == date(2026, 11, 25)
    assert two_days_ahead.is_open(NOON)
    assert MarketTime(NSE, timedelta(days=1)).is_open(NOON) is False  # the 24th is a holiday
    deadlines = venue_deadlines(Timing(), two_days_ahead, NOON)
    assert deadlines.venue == datetime(2026, 11, 23, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize("years", [-2_000, -1_000, 8_000, 290_000])
def test_a_clock_outside_the_calendar_is_unavailable(years: int) -> None:
    market = MarketTime(NSE, timedelta(days=365 * years))
    for question in (market.now, market.trade_date, market.is_open, market.next_open):
        with pytest.raises(UnavailableError, match="set outside the calendar"):
            question(NOON)
