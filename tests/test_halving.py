"""Halving: the bad item is dealt with alone, its neighbours keep their results."""

from collections.abc import Sequence

import pytest

from shared.domain.errors import UnavailableError
from shared.halving import halve


async def _alone(item: int, error: Exception) -> str:
    return f"{item}: {error}"


@pytest.mark.parametrize("bad", [set(), {0}, {3}, {6}, {1, 2, 5}, set(range(7))])
async def test_only_bad_items_are_handed_on_alone(bad: set[int]) -> None:
    async def work(items: Sequence[int]) -> Sequence[str]:
        if bad.intersection(items):
            raise ValueError("poison")
        return [str(item) for item in items]

    assert await halve(range(7), work, _alone) == [f"{n}: poison" if n in bad else str(n) for n in range(7)]


async def test_a_dependency_that_is_away_is_no_fault_of_items() -> None:
    asked: list[Sequence[int]] = []

    async def work(items: Sequence[int]) -> Sequence[str]:
        asked.append(items)
        raise UnavailableError("The ledger is not available", retry_after_s=1)

    with pytest.raises(UnavailableError):
        await halve([1, 2, 3, 4], work, _alone)
    assert asked == [[1, 2, 3, 4]]
    assert await halve([], work, _alone) == []
