"""Where lanes continue, in memory."""

from collections.abc import Mapping, Sequence

from shared.domain.orders.order import AT_VENUE
from shared.ports.missing_reports import IssuedReports
from tests.fakes.memory import Memory


class MemoryLanePositions:
    """`LanePositions` on `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def positions(self) -> Mapping[str, int]:
        return dict(self._memory.lanes)

    async def behind(self, issued: Sequence[IssuedReports]) -> Sequence[IssuedReports]:
        known = [(each, self._memory.orders.get(each.key)) for each in issued]
        return [
            each
            for each, order in known
            if order is not None and order.state in AT_VENUE and order.venue_sequence < each.last_sequence
        ]

    async def move(self, positions: Mapping[str, int]) -> None:
        for lane, position in positions.items():
            self._memory.lanes[lane] = max(position, self._memory.lanes.get(lane, position))
