"""Which of an order's numbered reports have not arrived, as a text of numbers and ranges: "2,5-9".

The exchange numbers an order's reports 1, 2, 3… without gaps and delivers them in any order and more than once. A
number that is known to be issued and has not arrived belongs to a report that is on its way or lost. Ranges keep the
text short however wide a gap is; an empty text, nothing is missing, is by far the most frequent.
"""

from collections.abc import Iterable, Iterator


def after_issue(newest: int, missing: str, issued: int) -> tuple[int, str]:
    """Newest number and missing ones, once the exchange is known to have issued all numbers up to `issued`."""
    if issued <= newest:
        return newest, missing
    ranges = _ranges(missing)
    first = ranges.pop()[0] if ranges and ranges[-1][1] == newest else newest + 1
    return issued, _text([*ranges, (first, issued)])


def after_arrival(newest: int, missing: str, number: int) -> tuple[int, str]:
    """The same, after the report with this number has arrived; a repeated one changes nothing."""
    if number == newest + 1:
        return number, missing
    newest, missing = after_issue(newest, missing, number)
    return newest, _text(_without(number, _ranges(missing))) if missing else missing


def first_missing(newest: int, missing: str) -> int:
    """The lowest number that has not arrived: a missing one, or the next that the exchange will issue."""
    return next((first for first, _ in _ranges(missing)), newest + 1)


def _without(number: int, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for first, last in ranges:
        if first <= number <= last:
            yield first, number - 1
            yield number + 1, last
        else:
            yield first, last


def _ranges(missing: str) -> list[tuple[int, int]]:
    bounds = (part.partition("-") for part in missing.split(",")) if missing else ()
    return [(int(first), int(last or first)) for first, _, last in bounds]


def _text(ranges: Iterable[tuple[int, int]]) -> str:
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges if first <= last)
