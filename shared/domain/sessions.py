"""When a venue trades: dated session hours, holidays and special sessions, by segment.

Rules: pure functions of aware datetimes; `now` is always a parameter. India keeps one fixed offset, +05:30, without
daylight saving, so no time-zone database is needed. A session is [open, close): at the closing instant it is shut.
Each instant belongs to exactly one trade date: the session running then, or the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cached_property
from typing import Final

from shared.domain.errors import UnavailableError

INDIA: Final = timezone(timedelta(hours=5, minutes=30), "IST")
_LONGEST_BREAK: Final = timedelta(days=366)
CALENDAR_YEARS: Final = range(1970, 9999)
"""Dates can be counted on from these, a break and a time zone further, without leaving what a date can hold."""


@dataclass(frozen=True, slots=True)
class SessionHours:
    """Opening and closing of one day's session, as time since midnight in India; 24:00 is a legal close."""

    opens: timedelta
    closes: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.opens < self.closes <= timedelta(days=1):
            raise ValueError(f"a session opens before it closes, within one day: {self.opens} to {self.closes}")


@dataclass(frozen=True, slots=True)
class DatedHours:
    """The regular hours from a date on, until the next entry's date."""

    valid_from: date
    hours: SessionHours
    weekdays: frozenset[int]
    """Days with a session, Monday = 0."""


@dataclass(frozen=True)
class SessionCalendar:
    """One venue's trading calendar."""

    name: str
    regular: tuple[DatedHours, ...]
    """By date, ascending; the first also covers every day before it."""
    holidays: Mapping[date, str] = field(default_factory=dict)
    special_sessions: Mapping[date, SessionHours] = field(default_factory=dict)
    """Hours that replace a day's regular ones, on weekends and holidays too (budget Sunday, muhurat)."""
    holidays_known_until: date | None = None
    """Last day of the published holiday list; None when the venue has no holidays."""

    def __post_init__(self) -> None:
        dates = [each.valid_from for each in self.regular]
        if not dates or dates != sorted(set(dates)):
            raise ValueError(f"calendar {self.name}: regular hours must be given in ascending order of date")
        if not any(each.weekdays for each in self.regular):
            raise ValueError(f"calendar {self.name}: at least one weekday needs a session")

    def is_trading_day(self, day: date) -> bool:
        """Whether the venue has a session on this date."""
        return self._hours(day) is not None

    def is_open(self, instant: datetime) -> bool:
        """Whether orders trade at this instant."""
        session = self.session(_india_date(instant))
        return session is not None and session[0] <= instant < session[1]

    def trade_date(self, instant: datetime) -> date:
        """The date of the session running at the instant, or else of the next one."""
        return self._next_session(instant)[2]

    def next_open(self, instant: datetime) -> datetime:
        """When orders trade next, in UTC: the instant itself while the venue is open."""
        opens, _, _ = self._next_session(instant)
        return max(opens, instant.astimezone(UTC))

    def session_end(self, trade_date: date) -> datetime:
        """Closing instant of the date's session, in UTC. Raises LookupError on a day without one."""
        session = self.session(trade_date)
        if session is None:
            raise LookupError(f"calendar {self.name}: no session on {trade_date}")
        return session[1]

    def _next_session(self, instant: datetime) -> tuple[datetime, datetime, date]:
        first = _india_date(instant)
        for days in range(_LONGEST_BREAK.days):
            day = first + timedelta(days=days)
            session = self.session(day)
            if session is not None and instant < session[1]:
                return (*session, day)
        raise LookupError(f"calendar {self.name}: no session within {_LONGEST_BREAK.days} days of {instant}")

    def session(self, day: date) -> tuple[datetime, datetime] | None:
        """Opening and closing instant of the date's session, in UTC; None on a day without one."""
        hours = self._hours(day)
        if hours is None:
            return None
        midnight = datetime(day.year, day.month, day.day, tzinfo=INDIA).astimezone(UTC)
        return midnight + hours.opens, midnight + hours.closes

    def _hours(self, day: date) -> SessionHours | None:
        if day in self.special_sessions:
            return self.special_sessions[day]
        regular = next((each for each in reversed(self.regular) if each.valid_from <= day), self.regular[0])
        if day in self.holidays or day.weekday() not in regular.weekdays:
            return None
        return regular.hours


@dataclass(frozen=True, slots=True)
class SegmentTime:
    """The calendar of a segment, read by the market's clock: `offset` is market time minus our time.

    `at` is always an instant of our clock; instants that are returned are market time, but for `ours`.
    Market time that no calendar can hold raises UnavailableError.
    """

    calendar: SessionCalendar
    offset: timedelta = timedelta(0)

    def now(self, at: datetime) -> datetime:
        """What the market's clock shows at our instant."""
        try:
            shown = at + self.offset
        except OverflowError:
            shown = datetime.max.replace(tzinfo=UTC)
        if shown.year not in CALENDAR_YEARS:
            raise UnavailableError(
                "The market's clock is set outside the calendar: set it with `sandbox clock`", retry_after_s=60
            )
        return shown

    def ours(self, market_time: datetime) -> datetime:
        """The instant of our clock at which the market's clock shows this."""
        return market_time - self.offset

    def trade_date(self, at: datetime) -> date:
        """The date of the session that runs, or else of the next one."""
        return self.calendar.trade_date(self.now(at))

    def is_open(self, at: datetime) -> bool:
        """Whether orders trade."""
        return self.calendar.is_open(self.now(at))

    def next_open(self, at: datetime) -> datetime:
        """When orders trade next: at once while the venue is open."""
        return self.calendar.next_open(self.now(at))

    def session_end(self, trade_date: date) -> datetime:
        """Closing instant of the date's session. Raises LookupError on a day without one."""
        return self.calendar.session_end(trade_date)


@dataclass(frozen=True)
class MarketTime:
    """The market's clock and the calendars of its segments: `offset` is market time minus our time."""

    calendars: Mapping[str, SessionCalendar]
    """By segment, at least one."""
    offset: timedelta = timedelta(0)

    def of(self, segment: str) -> SegmentTime:
        """When the segment trades; the first segment's time for one that is not known, as of an unknown instrument."""
        return self._times.get(segment) or next(iter(self._times.values()))

    def trade_dates(self, at: datetime) -> dict[str, date]:
        """The date of each segment's session that runs, or else of its next one. Raises UnavailableError."""
        return {segment: time.trade_date(at) for segment, time in self._times.items()}

    @cached_property
    def _times(self) -> dict[str, SegmentTime]:
        return {segment: SegmentTime(calendar, self.offset) for segment, calendar in self.calendars.items()}


def _india_date(instant: datetime) -> date:
    if instant.tzinfo is None:
        raise ValueError(f"an instant carries its time zone: {instant}")
    return instant.astimezone(INDIA).date()
