"""Deadlines: what the settings may say, and when an order at the exchange is asked about."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.adapters.reference import load_reference_data
from shared.application.timing import Timing, venue_deadlines
from shared.config import Settings
from shared.domain.sessions import SegmentTime

_SECOND = timedelta(seconds=1)
_REQUIRED = {
    "postgres_url": "postgresql:///broker",
    "redis_url": "redis://localhost",
    "entra_issuer": "issuer",
    "entra_audience": "audience",
    "entra_jwks_url": "https://localhost/keys",
}


@pytest.mark.parametrize("answer_s", [4, 5])
def test_answer_deadline_not_after_expiry_is_refused(answer_s: int) -> None:
    with pytest.raises(ValueError, match=r"answer .* must be longer than expire_after"):
        Timing(answer=answer_s * _SECOND, expire_after=5 * _SECOND)
    with pytest.raises(ValidationError, match=r"EXCHANGE_ANSWER_DEADLINE_S .* EXCHANGE_EXPIRE_AFTER_S"):
        Settings(**_REQUIRED, exchange_answer_deadline_s=answer_s, exchange_expire_after_s=5)


def test_settings_become_the_deadlines_they_name() -> None:
    timing = Settings(**_REQUIRED, exchange_answer_deadline_s=5.5, exchange_expire_after_s=5).timing
    assert timing == Timing(answer=5.5 * _SECOND, expire_after=5 * _SECOND)


def test_order_at_the_venue_is_due_after_the_session() -> None:
    market = SegmentTime(load_reference_data().calendars["nse"], timedelta(days=2))
    at = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
    deadlines = venue_deadlines(Timing(gap=3 * _SECOND, after_session=60 * _SECOND), market, at)
    # The market's clock shows the 25th; deadlines are instants of ours.
    assert (deadlines.venue, deadlines.gap) == (datetime(2026, 11, 23, 10, 1, tzinfo=UTC), at + 3 * _SECOND)
