"""Times as the .NET host writes them into JSON (Newtonsoft.Json, which trims a fraction's last zeros)."""

from datetime import UTC, datetime

LAST_DATE_TIME = "9999-12-31T23:59:59.9999999"
"""DateTime.MaxValue."""
LAST_DATE_TIME_OFFSET = f"{LAST_DATE_TIME}+00:00"
"""DateTimeOffset.MaxValue."""


def date_time(moment: datetime) -> str:
    """A `DateTimeOffset.DateTime`: UTC that does not say so, which Python reads as a naive datetime."""
    utc = moment.astimezone(UTC)
    fraction = f".{utc.microsecond:06d}".rstrip("0") if utc.microsecond else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}"


def date_time_offset(moment: datetime) -> str:
    """A `DateTimeOffset` of UTC."""
    return f"{date_time(moment)}+00:00"
