"""The numbers of an order's reports: what is missing is exactly what was issued and has not arrived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.orders.report_numbers import after_arrival, after_issue, first_missing
from tests.support.values import numbers


@pytest.mark.parametrize(
    ("newest", "missing", "number", "expected"),
    [
        (0, "", 1, (1, "")),
        (0, "", 3, (3, "1-2")),
        (3, "1-2", 2, (3, "1")),
        (3, "1", 1, (3, "")),
        (3, "1", 3, (3, "1")),
        (9, "2-8", 5, (9, "2-4,6-8")),
        (9, "2,6-8", 12, (12, "2,6-8,10-11")),
    ],
)
def test_arrived_number_is_missing_no_longer(newest: int, missing: str, number: int, expected: tuple[int, str]) -> None:
    assert after_arrival(newest, missing, number) == expected


@given(st.lists(st.tuples(st.sampled_from(["arrival", "issue"]), st.integers(1, 30))))
def test_any_order_and_repetition_keeps_exactly_the_missing(steps: list[tuple[str, int]]) -> None:
    newest, missing = 0, ""
    arrived: set[int] = set()
    issued = 0
    for kind, number in steps:
        issued = max(issued, number)
        if kind == "arrival":
            arrived.add(number)
            newest, missing = after_arrival(newest, missing, number)
        else:
            newest, missing = after_issue(newest, missing, number)
        expected = [each for each in range(1, issued + 1) if each not in arrived]
        assert (newest, numbers(missing)) == (issued, expected)
        assert first_missing(newest, missing) == (expected[0] if expected else issued + 1)


def test_wide_gap_takes_no_room() -> None:
    assert after_arrival(1, "", 2**31) == (2**31, f"2-{2**31 - 1}")
