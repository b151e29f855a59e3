"""NCRONTAB with seconds and TimeSpan schedules."""

from datetime import UTC, datetime, timedelta

import pytest

from emulators.functions.schedules import ScheduleError, parse_schedule

FRIDAY = datetime(2026, 11, 13, 10, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("* * * * * *", datetime(2026, 11, 13, 10, 30, 16, tzinfo=UTC)),
        ("*/10 * * * * *", datetime(2026, 11, 13, 10, 30, 20, tzinfo=UTC)),
        ("0 */5 * * * *", datetime(2026, 11, 13, 10, 35, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2026, 11, 13, 10, 35, tzinfo=UTC)),
        ("0 0 9-17 * * *", datetime(2026, 11, 13, 11, tzinfo=UTC)),
        ("0 30 9 * * 1-5", datetime(2026, 11, 16, 9, 30, tzinfo=UTC)),
        ("0 30 9 * Jan Mon", datetime(2027, 1, 4, 9, 30, tzinfo=UTC)),
        ("0 30 9 * January Monday", datetime(2027, 1, 4, 9, 30, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("5,35 0 0 * * *", datetime(2026, 11, 14, 0, 0, 5, tzinfo=UTC)),
        ("0 0 0 13 * 0", datetime(2026, 12, 13, tzinfo=UTC)),
        ("0 0 0 * * 0", datetime(2026, 11, 15, tzinfo=UTC)),
        ("01:30:00", FRIDAY + timedelta(hours=1, minutes=30)),
        ("1.00:00:00", FRIDAY + timedelta(days=1)),
    ],
)
def test_next_occurrence_is_strictly_after(expression: str, following: datetime) -> None:
    assert parse_schedule(expression).next_after(FRIDAY) == following


@pytest.mark.parametrize(
    "expression",
    ["", "x", "* * * *", "* * * * * * *", "60 * * * * *", "0 0 24 * * *", "0 0 0 L * *", "0 0 0 * * 7", "0 0 0 ? * *",
     "0 0 0 * * 1#2", "0 0 0 30 2 *", "25:00:00", "00:00:00", "-01:00:00", "@daily", "0 mon * * * *", "H * * * * *"],
)  # fmt: skip
def test_bad_expression_is_refused_with_azures_words(expression: str) -> None:
    with pytest.raises(ScheduleError, match="was not recognized as a valid cron expression or timespan string"):
        parse_schedule(expression)


@pytest.mark.parametrize(
    ("expression", "frequent"),
    [("*/30 * * * * *", True), ("0 * * * * *", False), ("00:00:59", True), ("00:01:00", False)],
)
def test_schedules_under_a_minute_are_frequent(expression: str, frequent: bool) -> None:
    assert parse_schedule(expression).is_frequent() is frequent
