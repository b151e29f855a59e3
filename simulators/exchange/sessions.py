"""When the market is open: dated session rules from a JSON file, and the venue's two clocks.

File: {"calendar": name, "rules": [{"valid_from": date, "valid_to": date | null, "weekdays": [1..7, Monday 1],
"open": "09:15", "close": "15:30" or "24:00", "holidays": {date: name},
"special_sessions": {date: {"open", "close", "name"}}}]}, times in India. A special session is held whatever
the weekday or holiday. The market clock is the real clock plus an offset; trade dates follow the market
clock, `transact_time` and `expire_at` the real one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

INDIA = ZoneInfo("Asia/Kolkata")
BUILT_IN = {path.stem: path for path in (Path(__file__).with_name("data")).glob("*.json")}
_LOOK_AHEAD_DAYS = 30


class CalendarError(Exception):
    """The session file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Session:
    """One trade date's trading, from `opens` up to but not including `closes` (market clock, UTC)."""

    trade_date: date
    opens: datetime
    closes: datetime


class _Hours(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    open: str = Field(pattern=r"^\d\d:\d\d$")
    close: str = Field(pattern=r"^\d\d:\d\d$")
    name: str = ""

    def on(self, day: date) -> Session:
        return Session(day, _instant(day, self.open), _instant(day, self.close))


class _Rule(_Hours):
    valid_from: date
    valid_to: date | None = None
    weekdays: frozenset[int]
    holidays: dict[date, str] = {}
    special_sessions: dict[date, _Hours] = {}

    def holds(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def session(self, day: date) -> Session | None:
        if special := self.special_sessions.get(day):
            return special.on(day)
        return self.on(day) if day.isoweekday() in self.weekdays and day not in self.holidays else None


class Calendar(BaseModel):
    """A venue's dated session rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    calendar: str
    rules: tuple[_Rule, ...]

    def session(self, day: date) -> Session | None:
        """The session of a trade date, or None on a day without trading."""
        rule = self._rule(day)
        return None if rule is None else rule.session(day)

    def covers(self, day: date) -> bool:
        """Whether a rule says if there is trading on this date."""
        return self._rule(day) is not None

    def _rule(self, day: date) -> _Rule | None:
        return next((rule for rule in self.rules if rule.holds(day)), None)

    def at(self, market_now: datetime) -> Session | None:
        """The session that is open at an instant of the market clock."""
        session = self.session(trade_date(market_now))
        return session if session and session.opens <= market_now < session.closes else None

    def next_open(self, market_now: datetime) -> datetime | None:
        """When the next session opens, within the coming month."""
        today = trade_date(market_now)
        days = (today + timedelta(days=ahead) for ahead in range(_LOOK_AHEAD_DAYS))
        sessions = (session for day in days if (session := self.session(day)))
        return next((session.opens for session in sessions if session.opens > market_now), None)


class Clock:
    """Real and market time; the market clock's offset can be set."""

    def __init__(self, offset: timedelta = timedelta(), real: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self.offset = offset
        self.real = real

    def market(self) -> datetime:
        """Now on the market clock, UTC."""
        return self.real() + self.offset

    def set_market(self, moment: datetime) -> None:
        """Make the market clock show `moment` now."""
        self.offset = moment - self.real()


def trade_date(market_now: datetime) -> date:
    """The date in India."""
    return market_now.astimezone(INDIA).date()


def read_calendar(path: Path) -> Calendar:
    """Read a session file. Raises CalendarError."""
    try:
        return Calendar.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CalendarError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise CalendarError(f"{path}: {error.error_count()} errors, first: {error.errors()[0]}") from error


def _instant(day: date, clock: str) -> datetime:
    hours, minutes = map(int, clock.split(":"))
    return (datetime.combine(day, time(), INDIA) + timedelta(hours=hours, minutes=minutes)).astimezone(UTC)
