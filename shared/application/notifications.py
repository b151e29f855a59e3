"""A user's stream of changes: where it stands, and what a client has missed."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from shared.batching import Batcher
from shared.contracts.notifications import NotificationsView, NotificationView
from shared.domain.errors import GoneError, UnavailableError
from shared.domain.times import wire_time
from shared.ports.notifications import StoredEffect, StreamReader

_MOST_AT_ONCE: Final = 100
_log = structlog.get_logger(__name__)


class StreamPositions:
    """The sequence of each user's newest change; callers that wait in this process share one read."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._reads: Batcher[UUID, int | None] = Batcher(self._read, most=_MOST_AT_ONCE)

    async def current(self, user_id: UUID) -> int | None:
        """What the user's newest change had as its sequence; None for a user who is not known, and when the database is
        unavailable: an answer goes without it."""
        try:
            return await self._reads.submit(user_id)
        except UnavailableError as error:
            _log.warning("an answer goes without its stream sequence", reason=str(error))
            return None

    async def _read(self, user_ids: Sequence[UUID]) -> Sequence[int | None]:
        found = await self._reader.current(sorted(set(user_ids)))
        return [found.get(user_id) for user_id in user_ids]


class Notifications:
    """The use case: what came after a sequence."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader

    async def after(self, user_id: UUID, sequence: int, limit: int) -> NotificationsView:
        """The changes that follow `sequence`, none left out, at most `limit`.

        Raises GoneError when the next one is not on record: it is past its retention, or the stream does not reach so
        far. Raises UnavailableError.
        """
        page = await self._reader.page(user_id, sequence, limit)
        known = _without_gap(page.effects, sequence)
        if sequence > page.current or (sequence < page.current and not known):
            raise _gone(page.effects, page.current)
        return NotificationsView(items=[_view(each) for each in known], stream_sequence=page.current)


def _without_gap(effects: Sequence[StoredEffect], after: int) -> Sequence[StoredEffect]:
    """Those before the first hole. Retention removes by time, so a hole may lie anywhere among the oldest."""
    for place, effect in enumerate(effects):
        if effect.sequence != after + 1 + place:
            return effects[:place]
    return effects


def _gone(effects: Sequence[StoredEffect], current: int) -> GoneError:
    return GoneError(
        "The change that follows is not on record: read orders, trades, funds and portfolio again and go on after "
        "the stream_sequence of details",
        {"oldest_sequence": effects[0].sequence if effects else current + 1, "stream_sequence": current},
    )


def _view(effect: StoredEffect) -> NotificationView:
    return NotificationView(sequence=effect.sequence, kind=effect.kind, payload=effect.payload, at=wire_time(effect.at))
