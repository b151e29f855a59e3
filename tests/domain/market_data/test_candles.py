"""Bars of hand-made minutes."""

from datetime import date
from fractions import Fraction

import pytest

from shared.domain.market_data.adjustments import AdjustmentFactor, adjusted, factor_on
from shared.domain.market_data.candles import (
    MINUTE_US,
    Bar,
    Basis,
    Candle,
    Session,
    fill_gaps,
    newest,
    roll_up,
)

OPEN = 1_795_405_500_000_000
"""2026-11-23 09:15 in India."""


def minute(number: int, *prices: int, volume: int = 10, basis: Basis = Basis.WINDOWS, sequence: int = 1) -> Candle:
    opened, high, low, close = prices
    start = OPEN + number * MINUTE_US
    return Candle(start, Session.CONTINUOUS, opened, high, low, close, volume, volume * low, 2, 1, sequence, basis)


def test_bars_are_counted_from_the_sessions_open() -> None:
    candles = [minute(each, 10 + each, 20 + each, 5, 11 + each) for each in (16, 0, 14, 15)]
    assert roll_up(candles, 15, OPEN) == [
        Bar(OPEN, 10, 34, 5, 25, 20, 100, 4, is_complete=True),
        Bar(OPEN + 15 * MINUTE_US, 25, 36, 5, 27, 20, 100, 4, is_complete=True),
    ]


def test_bar_is_as_complete_as_its_worst_minute() -> None:
    candles = [minute(0, 1, 1, 1, 1), minute(1, 1, 1, 1, 1, basis=Basis.INCOMPLETE), minute(5, 1, 1, 1, 1)]
    assert [each.is_complete for each in roll_up(candles, 5, OPEN)] == [False, True]


def test_greater_revision_replaces_and_never_adds() -> None:
    late = minute(0, 1, 9, 1, 1, volume=15, sequence=9)
    resent = minute(0, 1, 9, 1, 2, volume=15, sequence=9, basis=Basis.RESEND)
    assert newest([resent, minute(0, 1, 5, 1, 1), late, minute(1, 3, 3, 3, 3)]) == [resent, minute(1, 3, 3, 3, 3)]


def test_quiet_intervals_are_filled_with_the_close_before() -> None:
    bars = roll_up([minute(0, 10, 12, 9, 11), minute(3, 8, 8, 8, 8)], 1, OPEN)
    filled = list(fill_gaps(bars, 1))
    assert [(each.start - OPEN) // MINUTE_US for each in filled] == [0, 1, 2, 3]
    assert (filled[1].open, filled[1].close, filled[1].volume, filled[1].trades) == (11, 11, 0, 0)


def test_prices_before_a_split_are_made_comparable() -> None:
    factors = [AdjustmentFactor(date(2026, 6, 1), Fraction(2)), AdjustmentFactor(date(2026, 9, 1), Fraction(3, 2))]
    bar = Bar(OPEN, 301, 302, 300, 301, 11, 3311, 3, is_complete=True)
    assert [factor_on(date(2026, month, 1), factors) for month in (5, 6, 8, 9)] == [
        3,
        Fraction(3, 2),
        Fraction(3, 2),
        1,
    ]
    assert adjusted(bar, Fraction(2)) == Bar(OPEN, 151, 151, 150, 151, 22, 3311, 3, is_complete=True)


def test_interval_without_a_minute_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one minute"):
        roll_up([], 0, OPEN)
