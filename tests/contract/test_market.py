"""`Market`: one clock for all, and the hours of each segment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.market import PostgresMarket
from shared.adapters.reference import load_reference_data
from shared.domain.instruments.instrument import EQUITY
from shared.domain.sessions import MarketTime
from shared.ports.market import Market
from tests.fakes.market import FixedMarket

_NSE = load_reference_data().calendars["nse"]
_CONTINUOUS = load_reference_data().calendars["continuous"]
_CALENDARS = {EQUITY: _NSE, "ALWAYS": _CONTINUOUS}
_MONDAY_NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Clock:
    """A market whose clock somebody sets."""

    market: Market
    set_ahead: Callable[[timedelta], None]

    async def showing(self, shown: datetime) -> tuple[MarketTime, datetime]:
        """The market's time and an instant of ours, once its clock has been set to `shown`."""
        at = datetime.now(UTC)
        self.set_ahead(shown - at)
        return await self.market.time(), at


@pytest.fixture
def memory_clock() -> Clock:
    market = FixedMarket(_CALENDARS)

    def set_ahead(offset: timedelta) -> None:
        market.offset = offset

    return Clock(market, set_ahead)


@pytest.fixture
def postgres_clock(database: Database, postgres_url: str) -> Clock:
    def set_ahead(offset: timedelta) -> None:
        microseconds = offset // timedelta(microseconds=1)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("DELETE FROM market_clock")
            connection.execute("INSERT INTO market_clock (offset_us) VALUES (%s)", (microseconds,))

    return Clock(PostgresMarket(database, _CALENDARS, keep_s=0), set_ahead)


@pytest.fixture(params=["memory", "postgres"])
def clock(request: pytest.FixtureRequest) -> Clock:
    return request.getfixturevalue(f"{request.param}_clock")


async def test_clock_that_nobody_set_shows_our_time(clock: Clock) -> None:
    market, at = await clock.market.time(), datetime.now(UTC)
    assert market.of(EQUITY).now(at) == at
    assert market.of("ALWAYS").is_open(at)


async def test_segments_keep_their_own_hours_by_one_clock(clock: Clock) -> None:
    market, at = await clock.showing(_MONDAY_NOON + timedelta(hours=5))
    assert market.of(EQUITY).now(at) == market.of("ALWAYS").now(at) == _MONDAY_NOON + timedelta(hours=5)
    assert [market.of(segment).is_open(at) for segment in _CALENDARS] == [False, True]
    # NSE has closed, and Tuesday is a holiday there.
    assert market.trade_dates(at) == {EQUITY: date(2026, 11, 25), "ALWAYS": date(2026, 11, 23)}
    assert market.of(EQUITY).next_open(at) == datetime(2026, 11, 25, 3, 45, tzinfo=UTC)
    assert market.of("ALWAYS").session_end(date(2026, 11, 23)) == datetime(2026, 11, 23, 18, 30, tzinfo=UTC)


async def test_session_is_open_until_its_last_instant(clock: Clock) -> None:
    closes = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    market, at = await clock.showing(closes - _SECOND)
    hours = market.of(EQUITY)
    assert [hours.is_open(at), hours.is_open(at + _SECOND)] == [True, False]
    assert hours.ours(hours.session_end(date(2026, 11, 23))) == at + _SECOND


async def test_unknown_segment_has_the_first_one_s_time(clock: Clock) -> None:
    market, at = await clock.showing(_MONDAY_NOON)
    assert market.of("") == market.of(EQUITY)
    assert market.of("").trade_date(at) == date(2026, 11, 23)


async def test_changed_clock_is_seen_at_the_next_reading(clock: Clock) -> None:
    await clock.showing(_MONDAY_NOON)
    market, at = await clock.showing(_MONDAY_NOON + timedelta(days=2))
    assert market.of(EQUITY).trade_date(at) == date(2026, 11, 25)
