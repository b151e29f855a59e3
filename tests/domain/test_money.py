"""Rupees on the wire, paise inside."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import (
    MAX_AMOUNT_PAISE,
    MAX_QUANTITY,
    format_average,
    format_rupees,
    parse_rupees,
    round_half_up,
)


@pytest.mark.parametrize(
    ("text", "paise"),
    [
        ("0", 0),
        ("0.05", 5),
        ("1500", 150_000),
        ("1500.5", 150_050),
        ("1500.05", 150_005),
        ("999999999.99", 99_999_999_999),
    ],
)
def test_plain_decimal_strings_become_paise(text: str, paise: int) -> None:
    assert parse_rupees(text) == paise


@pytest.mark.parametrize(
    "text",
    [
        "", " 1", "1 ", "1\n", "+1", "-1", "-0", "01", ".5", "5.", "1.005", "1e3", "1E3", "1,000", "1_000", "0x10",
        "NaN", "Infinity", "1.2.3", "١٢", "1000000000", "9" * 5_000,
    ],
)  # fmt: skip
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount") as refused:
        parse_rupees(text)
    assert len(str(refused.value)) < 200


def test_minus_sign_needs_permission_and_a_value() -> None:
    assert parse_rupees("-0.07", allow_negative=True) == -7
    with pytest.raises(ValueError, match="minus sign"):
        parse_rupees("-0.00", allow_negative=True)


@given(st.integers(-MAX_AMOUNT_PAISE, MAX_AMOUNT_PAISE))
def test_formatting_and_parsing_are_inverse(paise: int) -> None:
    assert parse_rupees(format_rupees(paise), allow_negative=True) == paise


def test_largest_order_fits_a_bigint_twice() -> None:
    assert 2 * MAX_AMOUNT_PAISE * MAX_QUANTITY < 2**63


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**12))
def test_rounding_equals_decimal_half_up(numerator: int, denominator: int) -> None:
    quotient, rest = divmod(abs(numerator), denominator)
    exact_half_or_more = 2 * rest >= denominator
    expected = quotient + exact_half_or_more
    assert round_half_up(numerator, denominator) == (expected if numerator >= 0 else -expected)


@pytest.mark.parametrize("denominator", [0, -1])
def test_rounding_refuses_a_denominator_below_one(denominator: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        round_half_up(1, denominator)


@given(st.integers(0, MAX_AMOUNT_PAISE), st.integers(1, MAX_QUANTITY))
def test_average_price_has_four_places_half_up(notional_paise: int, quantity: int) -> None:
    exact = Decimal(notional_paise) / 100 / quantity
    expected = exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    assert format_average(notional_paise, quantity) == f"{expected:f}"


def test_average_price_without_a_fill_is_zero() -> None:
    assert format_average(0, 0) == "0.0000"
    assert format_average(300_001, 2) == "1500.0050"
