"""Cursors: what is written is read again, and every text of a list's pattern is a position of it."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.cursors import CursorFormat
from shared.contracts.doubts import DOUBTS
from shared.contracts.funds import STATEMENT
from shared.contracts.instruments import INSTRUMENTS
from shared.contracts.orders import ORDERS
from shared.contracts.sagas import SAGAS
from shared.contracts.trades import TRADES

AT = datetime(2026, 11, 23, 4, 15, 0, 123456, tzinfo=UTC)
ONE = UUID("01935d3a-0000-7000-8000-000000000001")
LISTS = [ORDERS, TRADES, STATEMENT, INSTRUMENTS, SAGAS, DOUBTS]


def values(*position: Any) -> tuple[Any, ...]:
    return position


@pytest.mark.parametrize(
    ("cursors", "position"),
    [
        (ORDERS, (ONE,)),
        (TRADES, (AT, "E000000000007-0", "NSE", date(2026, 11, 23))),
        (TRADES, (AT, "\u00e4" * 64, "\u0928" * 64, date(2026, 11, 23))),
        (STATEMENT, (7, -1500)),
        (INSTRUMENTS, (3, "NSE:M&M")),
        (SAGAS, (ONE,)),
        (DOUBTS, (AT, ONE)),
    ],
)
def test_position_survives_being_written(cursors: CursorFormat, position: tuple[Any, ...]) -> None:
    assert cursors.read(cursors.write(*position), values) == position


@pytest.mark.parametrize("cursors", LISTS)
def test_every_text_of_the_pattern_is_a_position(cursors: CursorFormat) -> None:
    @settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds Hypothesis's table of characters
    @given(st.from_regex(cursors.pattern, fullmatch=True))
    def read(cursor: str) -> None:
        assert cursors.read(cursor, values)

    read()
