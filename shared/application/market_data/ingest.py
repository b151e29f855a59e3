"""Events of the market feed become quotes and candles.

Each shard's book is changed by the domain and stored whole, if nobody else has changed it; so a replayed batch, two
owners of a partition, and a crash between storing and checkpoint change nothing. What cannot be stored in time is
dropped: the next frames show a gap, and gaps are closed by the venue's resend.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
import structlog

from shared.application.market_data.closing import Closing
from shared.application.market_data.frames import apply, check
from shared.application.market_data.lag import Lag
from shared.application.market_data.repairs import Repairs
from shared.contracts.market_feed import Frame, decode
from shared.domain.errors import UnavailableError
from shared.domain.market_data.book import Changes, ShardBook
from shared.domain.market_data.shards import ShardMap
from shared.ports.market_push import MarketPush, ShardChange
from shared.ports.market_shards import MarketShards
from shared.ports.parked_events import FeedEvent, ParkedEvent, ParkedEvents

_MOST_TRIES: Final = 5
_log = structlog.get_logger(__name__)


class Received(NamedTuple):
    """A frame, and when the hub took it."""

    frame: Frame
    at: datetime


type Frames = Mapping[str, Sequence[Received]]


class MarketData:
    """The use case. Books are kept between batches and taken out while they are worked on."""

    def __init__(
        self,
        shards: ShardMap,
        store: MarketShards,
        parked: ParkedEvents,
        repairs: Repairs,
        closing: Closing,
        lag: Lag,
        push: MarketPush | None = None,
    ) -> None:
        self._members = {shard: frozenset(shards.instruments_of(shard)) for shard in shards.shards}
        self._store = store
        self._parked = parked
        self._repairs = repairs
        self._closing = closing
        self._push = push
        self._kept: dict[str, ShardBook] = {}
        self._lag = lag

    async def ingest(self, events: Sequence[FeedEvent]) -> None:
        """A batch of one partition, at least one event, in order. Never raises for an event or a dependency."""
        frames = await self._read(events)
        try:
            books, changes = await self._store_frames(frames)
        except UnavailableError:
            _log.warning("market data is dropped, to be resent later: its store is unavailable", events=len(events))
            return
        await self._lag.note(
            events[-1].enqueued_at, [each.frame.sent_at for of_shard in frames.values() for each in of_shard]
        )
        if self._push is not None:
            await self._push.changed(changes)
        beaten = {change.shard for change in changes if change.state is not None}
        await self._look_after([book for book in books if book.shard in beaten])
        self._kept |= {book.shard: book for book in books if not book.changes}

    async def _read(self, events: Sequence[FeedEvent]) -> Frames:
        """The good frames by shard; the others are parked."""
        frames: dict[str, list[Received]] = {}
        bad: list[ParkedEvent] = []
        for event in events:
            try:
                frame = decode(event.body)
                check(frame)
                if frame.shard not in self._members:
                    raise ValueError(f"there is no shard {frame.shard[:64]}")  # noqa: TRY301 - as what check raises
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                bad.append(ParkedEvent(event, f"{type(error).__name__}: {error}"[:200]))
            else:
                frames.setdefault(frame.shard, []).append(Received(frame, event.enqueued_at or datetime.now(UTC)))
        if bad:
            await self._park(bad)
        return frames

    async def _park(self, bad: Sequence[ParkedEvent]) -> None:
        first = bad[0]
        _log.error(
            "events of the market feed cannot be used and are parked",
            events=len(bad),
            partition=first.event.partition,
            offset=first.event.offset,
            reason=first.reason,
        )
        try:
            await self._parked.park(bad)
        except UnavailableError:
            _log.error("events of the market feed could not be parked", offsets=[each.event.offset for each in bad])

    async def _store_frames(self, frames: Frames) -> tuple[list[ShardBook], list[ShardChange]]:
        """The books as they are stored, and what has changed in them. Raises UnavailableError."""
        stored: list[ShardBook] = []
        changes: list[ShardChange] = []
        waiting = frames
        for _ in range(_MOST_TRIES):
            books = await self._take(waiting)
            for shard, book in books.items():
                for frame, at in waiting[shard]:
                    apply(book, frame, self._members[shard], int(at.timestamp() * 1_000_000))
            changes += await self._commit(books.values())
            stored += [book for book in books.values() if not book.changes]
            waiting = {shard: waiting[shard] for shard, book in books.items() if book.changes}
            if not waiting:
                return stored, changes
        _log.error("shards were changed again and again by others; their frames are dropped", shards=list(waiting))
        return stored, changes

    async def _take(self, frames: Frames) -> dict[str, ShardBook]:
        kept = {shard: self._kept.pop(shard) for shard in frames if shard in self._kept}
        missing = [shard for shard in frames if shard not in kept]
        return kept | dict(await self._store.load(missing)) if missing else kept

    async def _commit(self, books: Iterable[ShardBook]) -> list[ShardChange]:
        """What was stored; the books of others, who came first, keep their changes. Raises UnavailableError."""
        changed = [book for book in books if book.changes]
        changes: list[ShardChange] = []
        for book, is_stored in zip(changed, await self._store.commit(changed) if changed else (), strict=True):
            if is_stored:
                quotes = [book.quotes[each] for each in book.changes.quotes]
                changes.append(ShardChange(book.shard, quotes, book.state if book.changes.state else None))
                book.changes = Changes()
        return changes

    async def _look_after(self, books: Sequence[ShardBook]) -> None:
        """What a heartbeat is the occasion for: gaps are closed, and closed candles go to history."""
        try:
            await self._repairs.repair(books)
            self._closing.close(books)
            await self._commit(books)
        except UnavailableError:
            _log.warning("repaired and closed candles could not be stored; the next heartbeat tries again")
