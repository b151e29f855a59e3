"""Enumeration, documentation and entries of the reject codes are one list."""

import string
from pathlib import Path

import pytest

from shared.domain.orders.rejects import ENTRIES, FIRST_LATE_CODE, RejectCode, reject

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "reject-codes.md"


def documented_rows() -> list[list[str]]:
    """Number, code, title, message and remedy of every row of both tables."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if row[0].isdigit()]


def test_page_holds_every_code_in_order() -> None:
    expected = [
        [str(number), code.value, ENTRIES[code].title, ENTRIES[code].template, ENTRIES[code].remedy]
        for number, code in enumerate(RejectCode, start=1)
    ]
    assert documented_rows() == expected


def test_page_separates_late_codes_from_early_ones() -> None:
    before, after = PAGE.read_text(encoding="utf-8").split("## After acceptance")
    assert "## Before acceptance" in before
    assert next(code for code in RejectCode if f"`{code}`" in after) is FIRST_LATE_CODE


def test_every_code_has_exactly_one_entry() -> None:
    assert list(ENTRIES) == list(RejectCode)
    assert len({entry.title for entry in ENTRIES.values()}) == len(ENTRIES)


@pytest.mark.parametrize("code", RejectCode)
def test_message_shows_exactly_the_values_it_names(code: RejectCode) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(ENTRIES[code].template) if name}
    assert names <= {"limit", "actual"}
    refusal = reject(code, limit="<limit>", actual="<actual>")
    assert {name for name in ("limit", "actual") if f"<{name}>" in refusal.message} == names
    assert "{" not in refusal.message


def test_braces_in_a_value_are_not_a_template() -> None:
    refusal = reject(RejectCode.EXCHANGE_REJECTED, actual="{limit} {0}")
    assert refusal.message == "the exchange refused the order: {limit} {0}"
    assert refusal.limit is None
