"""The one clock of broker and venue, so that nothing depends on the real time of day.

The venue's market clock is its own; the broker reads the difference to the real time from its database.
"""

import json
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from typing import Any

import psycopg

from sandbox.errors import SandboxError
from sandbox.running import Running
from shared.adapters.reference import load_reference_data
from shared.domain.charges.rate_cards import ChargeKind
from shared.domain.errors import UnavailableError
from shared.domain.instruments.instrument import EQUITY
from shared.domain.sessions import SegmentTime

_SET_OFFSET = """
INSERT INTO market_clock (offset_us) VALUES (%s) ON CONFLICT (only_row) DO UPDATE SET offset_us = excluded.offset_us
"""
_TIMEOUT_S = 30


def market_clock(running: Running) -> dict[str, Any]:
    """`real_time`, `market_time`, `offset_s`, `trade_date`, `open`, `opens_at`, `closes_at` of the venue."""
    return _ask(running, "GET", None)


def set_market_time(running: Running, when: datetime | None) -> dict[str, Any]:
    """Set broker and venue to the time (aware), or back to the real one for None; returns the venue's clock.

    Raises SandboxError for a time that the broker's dated tables do not cover.
    """
    if when is not None:
        _require_tables(when)
    wanted = {"offset_s": 0} if when is None else {"market_time": when.isoformat()}
    clock = _ask(running, "PUT", wanted)
    offset = timedelta(seconds=clock["offset_s"])
    with psycopg.connect(running.dsn("broker"), autocommit=True) as connection:
        connection.execute(_SET_OFFSET, (offset // timedelta(microseconds=1),))
    return clock


def _require_tables(when: datetime) -> None:
    """The broker judges orders by dated tables; before their first date it could take none."""
    data = load_reference_data()
    try:
        day = SegmentTime(data.calendars["continuous"]).trade_date(when)
        data.limits.for_date(day)
        data.rate_cards.find(EQUITY, ChargeKind.DELIVERY, day)
    except (LookupError, UnavailableError) as error:
        raise SandboxError(f"The market time can't be {when.isoformat()}: {error}.") from error


def _ask(running: Running, method: str, body: Any) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{running.exchange_admin_url}/clock", None if body is None else json.dumps(body).encode(), method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        raise SandboxError(f"The exchange refused: {error.read().decode(errors='replace')[:300]}") from error
    except OSError as error:
        raise SandboxError(f"No exchange is running on {running.folder.path}: start it with `make run`.") from error
