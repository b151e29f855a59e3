"""Timer schedules: six-field NCRONTAB and TimeSpan, in UTC.

NCRONTAB is https://github.com/atifaziz/NCrontab with seconds: day of month and day of week must both
match, 0 is Sunday, and there is no `L`, `#`, `?` or `7`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from croniter import croniter
from croniter.croniter import CroniterError

from emulators.functions.settings import SettingsError, parse_time_span

_FIELD = re.compile(r"[0-9A-Za-z*,/-]+\Z")
_LONG_NAME = re.compile(
    r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]*\b", re.IGNORECASE
)
_NAMES = re.compile(r"[A-Za-z]")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class ScheduleError(Exception):
    """The expression is neither NCRONTAB nor a TimeSpan."""


class Schedule(Protocol):
    """When a timer is due."""

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence strictly after `moment` (UTC)."""

    def is_frequent(self) -> bool:
        """Whether occurrences are less than a minute apart: those are never monitored."""


@dataclass(frozen=True)
class CronSchedule:
    expression: str

    def next_after(self, moment: datetime) -> datetime:
        cron = croniter(self.expression, moment, ret_type=datetime, day_or=False, second_at_beginning=True)
        following: datetime = cron.get_next(datetime)
        return following

    def is_frequent(self) -> bool:
        first = self.next_after(_EPOCH)
        return self.next_after(first) - first < timedelta(minutes=1)


@dataclass(frozen=True)
class IntervalSchedule:
    interval: timedelta

    def next_after(self, moment: datetime) -> datetime:
        return moment + self.interval

    def is_frequent(self) -> bool:
        return self.interval < timedelta(minutes=1)


def parse_schedule(expression: str) -> Schedule:
    """A schedule from `0 */5 * * * *`, the same without seconds, or `00:05:00`. Raises ScheduleError."""
    fields = expression.split()
    if len(fields) == 1:
        return _interval(expression)
    if len(fields) not in (5, 6) or not all(_FIELD.match(field) for field in fields):
        raise _not_recognized(expression)
    if len(fields) == 5:
        fields.insert(0, "0")
    day_of_week = _LONG_NAME.sub(lambda match: match[1].lower(), fields[5])
    if _NAMES.search("".join(fields[:4])) or "7" in re.split(r"[,/-]", day_of_week.partition("/")[0]):
        raise _not_recognized(expression)
    month = _LONG_NAME.sub(lambda match: match[1].lower(), fields[4])
    schedule = CronSchedule(" ".join([*fields[:4], month, day_of_week]))
    try:
        schedule.next_after(_EPOCH)
    except (CroniterError, ValueError, KeyError) as error:
        raise _not_recognized(expression) from error
    return schedule


def _interval(expression: str) -> IntervalSchedule:
    try:
        interval = parse_time_span(expression)
    except SettingsError as error:
        raise _not_recognized(expression) from error
    if interval <= timedelta():
        raise _not_recognized(expression)
    return IntervalSchedule(interval)


def _not_recognized(expression: str) -> ScheduleError:
    return ScheduleError(
        f"The schedule expression '{expression}' was not recognized as a valid cron expression or timespan string."
    )
