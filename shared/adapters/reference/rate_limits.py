"""Requests a minute: `rate_limits.json`."""

from pathlib import Path

from shared.adapters.reference.entry import document, positive_integer, positive_integers
from shared.domain.rate_limits import RateLimitTable


def load_rate_limits(folder: Path) -> RateLimitTable:
    """Raises ReferenceDataError."""
    entry = document(folder / "rate_limits.json")
    return RateLimitTable(
        by_route=entry.read("requests_per_minute", positive_integers),
        default=entry.read("default_requests_per_minute", positive_integer),
        refused=entry.read("refused_requests_per_minute", positive_integer),
    )
