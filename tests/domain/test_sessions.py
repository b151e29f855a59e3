"""Session calendars as pure functions of aware datetimes."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.reference import load_reference_data
from shared.domain.errors import UnavailableError
from shared.domain.instruments.instrument import EQUITY
from shared.domain.sessions import INDIA, DatedHours, MarketTime, SegmentTime, SessionCalendar, SessionHours

NSE = load_reference_data().calendars["nse"]
NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
CONTINUOUS = load_reference_data().calendars["continuous"]

instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 20), timezones=st.just(UTC))  # noqa: DTZ001


def india(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=INDIA)


@pytest.mark.parametrize(
    ("moment", "is_open", "trade_date"),
    [
        ("2026-11-23 09:14:59.999999", False, "2026-11-23"),
        ("2026-11-23 09:15:00", True, "2026-11-23"),
        ("2026-11-23 15:29:59.999999", True, "2026-11-23"),
        ("2026-11-23 15:30:00", False, "2026-11-25"),  # the 24th is Guru Nanak's birthday
        ("2026-11-22 12:00:00", False, "2026-11-23"),  # a Sunday
        ("2026-02-01 10:00:00", True, "2026-02-01"),  # a Sunday with a budget session
        ("2026-12-24 16:00:00", False, "2026-12-28"),  # Christmas, then a weekend
        ("2026-11-23 00:10:00", False, "2026-11-23"),  # still the 22nd in UTC
    ],
)
def test_nse_opens_and_dates_like_the_exchange(moment: str, is_open: bool, trade_date: str) -> None:
    assert NSE.is_open(india(moment)) is is_open
    assert NSE.trade_date(india(moment)) == date.fromisoformat(trade_date)


def test_next_open_skips_holidays_and_is_now_when_open() -> None:
    assert NSE.next_open(india("2026-11-23 16:00")) == india("2026-11-25 09:15")
    assert NSE.next_open(india("2026-11-23 11:00")) == india("2026-11-23 11:00")
    assert NSE.next_open(india("2026-11-23 11:00")).tzinfo is UTC


def test_session_end_is_the_closing_instant_in_utc() -> None:
    assert NSE.session_end(date(2026, 11, 23)) == datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    with pytest.raises(LookupError, match="no session on 2026-11-24"):
        NSE.session_end(date(2026, 11, 24))


@given(instants)
def test_every_instant_belongs_to_a_session_not_yet_over(instant: datetime) -> None:
    trade_date = NSE.trade_date(instant)
    assert NSE.is_trading_day(trade_date)
    assert instant < NSE.session_end(trade_date)
    assert NSE.is_open(instant) == (NSE.next_open(instant) == instant)
    assert NSE.is_open(NSE.next_open(instant))
    assert NSE.trade_date(NSE.next_open(instant)) == trade_date


@given(instants, instants)
def test_trade_dates_never_go_back_in_time(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    assert NSE.trade_date(earlier) <= NSE.trade_date(later)


@given(instants)
def test_continuous_calendar_is_open_until_indian_midnight(instant: datetime) -> None:
    trade_date = instant.astimezone(INDIA).date()
    assert CONTINUOUS.is_open(instant)
    assert CONTINUOUS.trade_date(instant) == trade_date
    assert CONTINUOUS.session_end(trade_date) == india(f"{trade_date + timedelta(days=1)} 00:00")


def test_holidays_of_2026_are_the_exchange_list() -> None:
    assert len(NSE.holidays) == 16  # CMTR71775 names 15, CMTR72260 adds 15 January
    assert all(day.weekday() < 5 for day in NSE.holidays)
    assert NSE.holidays_known_until == date(2026, 12, 31)
    weekdays = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert sum(NSE.is_trading_day(day) for day in weekdays) == 261 - 16 + 1


def test_regular_hours_change_on_their_date() -> None:
    morning, long = (SessionHours(timedelta(hours=9), timedelta(hours=end)) for end in (12, 17))
    every_day = frozenset(range(7))
    calendar = SessionCalendar(
        "test", (DatedHours(date(2026, 1, 1), morning, every_day), DatedHours(date(2026, 8, 3), long, every_day))
    )
    assert calendar.session_end(date(2026, 8, 2)) == india("2026-08-02 12:00")
    assert calendar.session_end(date(2026, 8, 3)) == india("2026-08-03 17:00")


@pytest.mark.parametrize(("opens", "closes"), [(9, 9), (15, 9), (-1, 9), (9, 25)])
def test_hours_that_do_not_fit_a_day_are_refused(opens: int, closes: int) -> None:
    with pytest.raises(ValueError, match="opens before it closes"):
        SessionHours(timedelta(hours=opens), timedelta(hours=closes))


def test_calendar_without_order_or_sessions_is_refused() -> None:
    hours = SessionHours(timedelta(hours=9), timedelta(hours=15))
    first, second = (DatedHours(date(2026, month, 1), hours, frozenset({0})) for month in (1, 2))
    for regular in ((), (second, first), (DatedHours(date(2026, 1, 1), hours, frozenset()),)):
        with pytest.raises(ValueError, match="calendar test"):
            SessionCalendar("test", regular)


def test_naive_datetimes_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        NSE.is_open(datetime(2026, 11, 23, 10, 0))  # noqa: DTZ001


def test_years_of_holidays_end_in_an_error() -> None:
    hours = SessionHours(timedelta(hours=9), timedelta(hours=15))
    closed = {date(2026, 1, 1) + timedelta(days=n): "closed" for n in range(800)}
    calendar = SessionCalendar("test", (DatedHours(date(2026, 1, 1), hours, frozenset(range(7))),), closed)
    with pytest.raises(LookupError, match="no session within"):
        calendar.trade_date(india("2026-01-01 10:00"))


def test_session_rules_read_the_market_clock() -> None:
    two_days_ahead = SegmentTime(NSE, timedelta(days=2))
    assert two_days_ahead.trade_date(NOON) == date(2026, 11, 25)
    assert two_days_ahead.is_open(NOON)
    assert SegmentTime(NSE, timedelta(days=1)).is_open(NOON) is False  # the 24th is a holiday


def test_each_segment_keeps_its_own_session_times() -> None:
    evening = SessionHours(timedelta(hours=9), timedelta(hours=23, minutes=30))
    commodities = SessionCalendar("mcx", (DatedHours(date(2026, 1, 1), evening, frozenset(range(7))),))
    market = MarketTime({EQUITY: NSE, "COM": commodities}, timedelta(hours=5))
    # The market's clock shows 17:00 in India: NSE has closed, and the next day is a holiday there.
    assert market.trade_dates(NOON) == {EQUITY: date(2026, 11, 25), "COM": date(2026, 11, 23)}
    assert [market.of(segment).is_open(NOON) for segment in (EQUITY, "COM", "")] == [False, True, False]
    assert market.of("COM").session_end(date(2026, 11, 23)) == india("2026-11-23 23:30")


@pytest.mark.parametrize("years", [-2_000, -1_000, 8_000, 290_000])
def test_a_clock_outside_the_calendar_is_unavailable(years: int) -> None:
    market = SegmentTime(NSE, timedelta(days=365 * years))
    for question in (market.now, market.trade_date, market.is_open, market.next_open):
        with pytest.raises(UnavailableError, match="set outside the calendar"):
            question(NOON)
