"""What follows a sequence: complete, or refused; never a page that hides a gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from shared.application.notifications import Notifications, StreamPositions
from shared.domain.errors import GoneError, UnavailableError
from shared.ports.notifications import StoredEffect, StreamPage
from tests.support.values import ALICE, BOB

AT = datetime(2026, 11, 23, 4, 15, tzinfo=UTC)


@dataclass
class Kept:
    """A stream that stands at `current`, of which these are kept."""

    current: int
    kept: Sequence[int]

    async def page(self, user_id: UUID, after: int, limit: int) -> StreamPage:
        following = [number for number in self.kept if number > after][:limit]
        return StreamPage(self.current, [StoredEffect(number, "order", {}, AT) for number in following])


@pytest.mark.parametrize(
    ("current", "kept", "after", "limit", "answered"),
    [
        (0, [], 0, 9, []),
        (5, [3, 4, 5], 2, 9, [3, 4, 5]),
        (5, [3, 4, 5], 3, 1, [4]),
        (5, [3, 4, 5], 5, 9, []),
        (5, [1, 3, 4, 5], 0, 9, [1]),
        (5, [], 5, 9, []),
    ],
)
async def test_changes_that_follow_come_without_gap(
    current: int, kept: list[int], after: int, limit: int, answered: list[int]
) -> None:
    page = await Notifications(Kept(current, kept)).after(ALICE, after, limit)  # type: ignore[arg-type]
    assert ([each.sequence for each in page.items], page.stream_sequence) == (answered, current)


@pytest.mark.parametrize(
    ("current", "kept", "after", "oldest"),
    [(5, [3, 4, 5], 1, 3), (5, [1, 3, 4, 5], 1, 3), (5, [], 4, 6), (5, [3, 4, 5], 6, 6), (0, [], 1, 1)],
)
async def test_missing_next_change_is_gone_not_empty(current: int, kept: list[int], after: int, oldest: int) -> None:
    with pytest.raises(GoneError) as refused:
        await Notifications(Kept(current, kept)).after(ALICE, after, 9)  # type: ignore[arg-type]
    assert refused.value.details == {"oldest_sequence": oldest, "stream_sequence": current}


class Positions:
    """Two users are known; away or not."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away

    async def current(self, user_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        if self.away:
            raise UnavailableError("away", retry_after_s=1)
        return {user_id: place for place, user_id in enumerate([ALICE, BOB], 7) if user_id in user_ids}


async def test_position_is_unknown_rather_than_an_error() -> None:
    here, away = StreamPositions(Positions()), StreamPositions(Positions(away=True))  # type: ignore[arg-type]
    assert [await here.current(each) for each in (ALICE, BOB, uuid4())] == [7, 8, None]
    assert await away.current(ALICE) is None
