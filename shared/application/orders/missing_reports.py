"""Reports that never arrived: the venue's newest numbers are compared with ours, lane by lane, every few seconds.

A lost report shows in the number of the next one, except for an order's last report. What this comparison finds opens
the gap that a skipped number opens, so there is one mechanism that asks for resends. A lane's position moves once
everything that was found is on record: after a crash before that, the same reports are compared again.
"""

from collections.abc import Sequence
from itertools import batched

import structlog

from shared.application.busy import apart
from shared.application.publishing import Publisher
from shared.application.timing import Timing
from shared.contracts.exchange_requests import lane_names
from shared.domain.orders.events import ReportsIssued
from shared.domain.orders.transitions import IllegalTransitionError
from shared.ports.books import BookStore, Scope, Unit
from shared.ports.missing_reports import ChangedOrders, IssuedReports, LanePositions, VenueChanges
from shared.ports.order_sagas import OrderSagas

_MOST_PAGES, _MOST_ORDERS = 100, 100
_log = structlog.get_logger(__name__)


class MissingReports:
    """Finds what the venue has issued and we have not received. Running it twice is safe."""

    def __init__(
        self,
        books: BookStore,
        publisher: Publisher,
        lanes: LanePositions,
        venue: VenueChanges | None,
        timing: Timing,
    ) -> None:
        self._books = books
        self._publisher = publisher
        self._lanes = lanes
        self._venue = venue
        self._timing = timing

    async def find(self, sagas: OrderSagas) -> int:
        """Compare what is new in every lane; returns how many orders lack reports.

        Raises UnavailableError when the venue's records or the database cannot be read.
        """
        if self._venue is None:
            return 0
        positions = dict.fromkeys(lane_names(), 0) | dict(await self._lanes.positions())
        found = 0
        for _ in range(_MOST_PAGES):
            page = await self._venue.changes(positions, self._timing.settled)
            if page.positions == positions:
                break
            found += await self._note(page, sagas)
            positions = dict(page.positions)
            if not page.more:
                break
        return found

    async def _note(self, page: ChangedOrders, sagas: OrderSagas) -> int:
        async def open_gaps(some: Sequence[IssuedReports], *, brief: bool) -> Sequence[bool]:
            def work(unit: Unit) -> list[bool]:
                return [_open_gap(unit, each) for each in some]

            found, committed = await self._books.work(Scope(orders=[each.key for each in some]), work, brief=brief)
            await self._publisher.publish(committed, sagas)
            return found

        found = 0
        for group in batched(await self._lanes.behind(page.orders), _MOST_ORDERS, strict=False):
            found += sum(await apart(group, lambda each: each.key.user_id, open_gaps))
        await self._lanes.move(page.positions)
        return found


def _open_gap(unit: Unit, issued: IssuedReports) -> bool:
    """Whether reports of the order are missing. They were issued a while ago, so the order is overdue at once."""
    before = unit.books.orders[issued.key]
    try:
        return unit.books.submit(issued.key, ReportsIssued(issued.last_sequence, unit.books.at)) is not before
    except IllegalTransitionError as error:
        _log.error("the venue reports about an order that was not sent", order=str(issued.key), reason=str(error))
        return False
