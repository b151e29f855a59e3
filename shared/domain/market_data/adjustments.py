"""Prices before a corporate action, made comparable with those after it. What is stored stays as it was traded."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from shared.domain.market_data.candles import Bar


@dataclass(frozen=True, slots=True)
class AdjustmentFactor:
    """From `ex_date` on an old unit is `factor` new ones: 2 for a split of 10 rupees into 5, 3/2 for a bonus of 1:2."""

    ex_date: date
    factor: Fraction

    def __post_init__(self) -> None:
        if self.factor <= 0:
            raise ValueError(f"a factor is positive, not {self.factor}")


def factor_on(day: date, factors: Iterable[AdjustmentFactor]) -> Fraction:
    """Product of the factors of all actions after the day."""
    product = Fraction(1)
    for each in factors:
        if day < each.ex_date:
            product *= each.factor
    return product


def adjusted(bar: Bar, factor: Fraction) -> Bar:
    """Prices / factor, half up to the paisa; volume x factor, rounded down. Turnover is money and does not change."""
    if factor == 1:
        return bar
    return Bar(
        start=bar.start,
        open=_price(bar.open, factor),
        high=_price(bar.high, factor),
        low=_price(bar.low, factor),
        close=_price(bar.close, factor),
        volume=int(bar.volume * factor),
        turnover=bar.turnover,
        trades=bar.trades,
        is_complete=bar.is_complete,
    )


def _price(paise: int, factor: Fraction) -> int:
    return int(paise / factor + Fraction(1, 2))
