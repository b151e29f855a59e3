"""Functions of dates: ISO 8601 in UTC, seven digits of fractions; timestamps in milliseconds since 1970."""

import calendar
import time
from datetime import UTC, datetime, timedelta

from emulators.cosmos.sql.budget import Budget
from emulators.cosmos.sql.functions.function import Function, typed
from emulators.cosmos.values import UNDEFINED, Rank, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS_TO_1970 = 621_355_968_000_000_000
_UNITS = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
    "millisecond": timedelta(milliseconds=1),
}
_SHORT = {
    "year": ("year", "yyyy", "yy"),
    "month": ("month", "mm", "m"),
    "day": ("day", "dd", "d"),
    "hour": ("hour", "hh"),
    "minute": ("minute", "mi", "n"),
    "second": ("second", "ss", "s"),
    "millisecond": ("millisecond", "ms"),
}
_NAMES = {short: name for name, shorts in _SHORT.items() for short in shorts}


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}0Z"


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _now(_: Budget) -> str:
    return _text(datetime.now(UTC))


def _to_timestamp(_: Budget, text: str) -> Value:
    moment = _moment(text)
    return UNDEFINED if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def _from_timestamp(_: Budget, milliseconds: float) -> Value:
    try:
        return _text(_EPOCH + timedelta(milliseconds=milliseconds))
    except OverflowError:
        return UNDEFINED


def _add(_: Budget, unit: str, count: float, text: str) -> Value:
    name, moment = _NAMES.get(unit.lower()), _moment(text)
    if name is None or moment is None:
        return UNDEFINED
    try:
        if name in _UNITS:
            return _text(moment + _UNITS[name] * int(count))
        months = int(count) * (12 if name == "year" else 1) + moment.month - 1
        year, month = moment.year + months // 12, months % 12 + 1
        last = calendar.monthrange(year, month)[1]
        return _text(moment.replace(year=year, month=month, day=min(moment.day, last)))
    except (OverflowError, ValueError, calendar.IllegalMonthError):
        return UNDEFINED


def _part(_: Budget, unit: str, text: str) -> Value:
    name, moment = _NAMES.get(unit.lower()), _moment(text)
    if name is None or moment is None:
        return UNDEFINED
    return moment.microsecond // 1000 if name == "millisecond" else getattr(moment, name)


def _difference(_: Budget, unit: str, start: str, end: str) -> Value:
    """How many boundaries of the unit lie between the two."""
    name, first, last = _NAMES.get(unit.lower()), _moment(start), _moment(end)
    if name is None or first is None or last is None:
        return UNDEFINED
    if name in ("year", "month"):
        years = last.year - first.year
        return years if name == "year" else years * 12 + last.month - first.month
    return (last - _EPOCH) // _UNITS[name] - (first - _EPOCH) // _UNITS[name]


FUNCTIONS = {
    "GETCURRENTDATETIME": Function(_now, 0, 0),
    "GETCURRENTTIMESTAMP": Function(lambda _: time.time_ns() // 1_000_000, 0, 0),
    "GETCURRENTTICKS": Function(lambda _: time.time_ns() // 100 + _TICKS_TO_1970, 0, 0),
    "DATETIMETOTIMESTAMP": typed(_to_timestamp, Rank.STRING),
    "TIMESTAMPTODATETIME": typed(_from_timestamp, Rank.NUMBER),
    "DATETIMEADD": typed(_add, Rank.STRING, Rank.NUMBER, Rank.STRING),
    "DATETIMEPART": typed(_part, Rank.STRING, Rank.STRING),
    "DATETIMEDIFF": typed(_difference, Rank.STRING, Rank.STRING, Rank.STRING),
}
