"""Session calendars, and the markets that follow them: `sessions.json`."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from shared.adapters.reference.entry import Entry, a_day, an_object, document, expected, naming, word, words
from shared.domain.sessions import DatedHours, SessionCalendar, SessionHours

_WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_TIME_OF_DAY: Final = re.compile(r"([0-2][0-9]):([0-5][0-9])", re.ASCII)


type Calendars = dict[str, SessionCalendar]


def load_calendars(folder: Path) -> Calendars:
    file = document(folder / "sessions.json")
    names = list(file.read("calendars", an_object))
    return {name: _calendar(name, entry) for name, entry in zip(names, file.entries("calendars"), strict=True)}


def load_markets(folder: Path, calendars: Calendars, segments: Iterable[str]) -> dict[str, Calendars]:
    """The calendar of each segment, by market. Raises ReferenceDataError where a segment has none."""
    file = document(folder / "sessions.json")
    names = list(file.read("markets", an_object))
    return {
        name: _market(entry, calendars, segments) for name, entry in zip(names, file.entries("markets"), strict=True)
    }


def _market(entry: Entry, calendars: Calendars, segments: Iterable[str]) -> Calendars:
    def calendar(value: object) -> SessionCalendar:
        if word(value) not in calendars:
            raise expected(f"one of {', '.join(calendars)}", value)
        return calendars[word(value)]

    named = {segment: entry.read(segment, calendar) for segment in entry.values}
    for segment in segments:
        entry.read(segment, calendar)
    return named


def _calendar(name: str, entry: Entry) -> SessionCalendar:
    special_days = entry.read("special_sessions", _days_of)
    with naming(entry.where):
        return SessionCalendar(
            name=name,
            regular=tuple(_dated_hours(each) for each in entry.entries("regular")),
            holidays={day: word(reason) for day, reason in entry.read("holidays", _days_of).items()},
            special_sessions={
                day: _hours(each) for day, each in zip(special_days, entry.entries("special_sessions"), strict=True)
            },
            holidays_known_until=entry.read("holidays_known_until", lambda value: a_day(value) if value else None),
        )


def _dated_hours(entry: Entry) -> DatedHours:
    return DatedHours(entry.read("valid_from", a_day), _hours(entry), entry.read("weekdays", _weekdays))


def _hours(entry: Entry) -> SessionHours:
    with naming(entry.where):
        return SessionHours(entry.read("opens", _time_of_day), entry.read("closes", _time_of_day))


def _days_of(value: object) -> dict[date, object]:
    return {a_day(day): each for day, each in an_object(value).items()}


def _time_of_day(value: object) -> timedelta:
    match = _TIME_OF_DAY.fullmatch(word(value))
    if match is None:
        raise expected("a time of day between 00:00 and 24:00", value)
    return timedelta(hours=int(match[1]), minutes=int(match[2]))


def _weekdays(value: object) -> frozenset[int]:
    unknown = set(words(value)) - set(_WEEKDAYS)
    if unknown:
        raise ValueError(f"weekdays are {', '.join(_WEEKDAYS)}, not {', '.join(sorted(unknown))}")
    return frozenset(_WEEKDAYS.index(day) for day in words(value))
