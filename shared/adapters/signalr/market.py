"""`MarketPush` at the service: pages get each change, lists a frame a second, groups without members nothing.

What a rate holds back is kept in this process, the newest of each instrument, and sent with a later batch: heartbeats
come every second. A shard has one ingest process at a time; where two of them send, (epoch, sequence) decides.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import orjson
import structlog

from shared.adapters.redis.leases import RedisLeases
from shared.adapters.signalr.service import RefusedError, SignalRService
from shared.contracts.pushed_quotes import list_frames, page_frames, status_frames
from shared.domain.errors import UnavailableError
from shared.domain.market_data.groups import (
    BACKGROUND_EVERY_S,
    FULL_EVERY_S,
    LIST_EVERY_S,
    STATUS_EVERY_S,
    list_group,
    page_group,
    status_group,
)
from shared.domain.market_data.quotes import Quote
from shared.domain.market_data.shards import ShardState
from shared.domain.push import Hub
from shared.ports.market_push import ShardChange

_LONGEST_S: Final = 0.5
"""Ingest waits for it; what is not sent by then is lost to clients until the next change."""
_GROUPS_KNOWN_S: Final = 1.0
_NEVER: Final = float("-inf")
_log = structlog.get_logger(__name__)

type Groups = frozenset[str]


class Sending(NamedTuple):
    """Messages to one group, written only when they are sent."""

    group: str
    target: str
    frames: Callable[[], Iterable[bytes]]


@dataclass(slots=True)
class _Rate:
    """The newest quotes that one group has not been sent."""

    every_s: float
    waiting: dict[str, Quote] = field(default_factory=dict)
    sent_at: float = _NEVER

    def add(self, quote: Quote) -> None:
        known = self.waiting.get(quote.instrument_id)
        if known is None or known.mark < quote.mark:
            self.waiting[quote.instrument_id] = quote

    def take(self, now: float) -> Sequence[Quote]:
        """All of it, if it is time to send."""
        if not self.waiting or now - self.sent_at < self.every_s:
            return ()
        taken, self.waiting, self.sent_at = tuple(self.waiting.values()), {}, now
        return taken


class ShardSending:
    """What clients of one shard have not been sent, and what is due."""

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self._rates: dict[str, _Rate] = {}
        self._state: ShardState | None = None
        self._status_at = _NEVER

    def due(self, change: ShardChange, groups: Groups, now: float) -> Iterator[Sending]:
        """Take a change in; what is to be sent now to the groups that have members."""
        shard = self._shard
        fast, slow = list_group(shard), list_group(shard, background=True)
        for quote in change.quotes:
            self._add(page_group(quote.instrument_id), FULL_EVERY_S, quote)
            self._add(fast, LIST_EVERY_S, quote)
            self._add(slow, BACKGROUND_EVERY_S, quote)
        for group in self._rates.keys() - groups:
            del self._rates[group]
        for group, rate in self._rates.items():
            if quotes := rate.take(now):
                write = list_frames if group in {fast, slow} else page_frames
                yield Sending(group, "quotes", partial(write, shard, quotes))
        if change.state is not None:
            if self._is_news(change.state, now):
                self._status_at = now
                yield status(change.state, stale=False)
            self._state = change.state

    def _add(self, group: str, every_s: float, quote: Quote) -> None:
        rate = self._rates.get(group)
        if rate is None:
            rate = self._rates[group] = _Rate(every_s)
        rate.add(quote)

    def _is_news(self, state: ShardState, now: float) -> bool:
        """Every few seconds, and at once when the phase has changed or the shard was mute."""
        known = self._state
        return (
            known is None
            or now - self._status_at >= STATUS_EVERY_S
            or known.phase is not state.phase
            or known.is_stale(state.received_at / 1_000_000)
        )


class SignalRMarketPush:
    """`MarketPush`."""

    def __init__(self, service: SignalRService, leases: RedisLeases) -> None:
        self._service = service
        self._leases = leases
        self._shards: dict[str, ShardSending] = {}
        self._groups: Groups = frozenset()
        self._known_until = _NEVER

    async def changed(self, changes: Sequence[ShardChange]) -> None:
        """See `MarketPush.changed`."""
        await self._send(partial(self._due, changes))

    async def stale(self, shards: Sequence[ShardState]) -> None:
        """See `MarketPush.stale`."""
        await self._send(lambda _: [status(state, stale=True) for state in shards])

    def _due(self, changes: Sequence[ShardChange], groups: Groups) -> Iterator[Sending]:
        now = time.monotonic()
        for change in changes:
            # Whoever gets anything of a shard gets its status.
            if status_group(change.shard) not in groups:
                self._shards.pop(change.shard, None)
                continue
            yield from self._shards.setdefault(change.shard, ShardSending(change.shard)).due(change, groups, now)

    async def _send(self, find: Callable[[Groups], Iterable[Sending]]) -> None:
        try:
            async with asyncio.timeout(_LONGEST_S):
                groups = await self._live()
                await asyncio.gather(*(self._send_one(each) for each in find(groups) if each.group in groups))
        except (UnavailableError, TimeoutError) as error:
            _log.warning("market data was not pushed", reason=str(error) or type(error).__name__)

    async def _live(self) -> Groups:
        now = time.monotonic()
        if now >= self._known_until:
            self._groups, self._known_until = await self._leases.live(), now + _GROUPS_KNOWN_S
        return self._groups

    async def _send_one(self, sending: Sending) -> None:
        for frame in sending.frames():
            try:
                await self._service.send_to_group(Hub.MARKET, sending.group, sending.target, orjson.Fragment(frame))
            except RefusedError:
                _log.exception("the push service refused a message", group=sending.group)


def status(state: ShardState, *, stale: bool) -> Sending:
    """What the shard's newest heartbeat said, for whoever gets anything of the shard."""
    return Sending(status_group(state.shard), "status", partial(status_frames, state, stale=stale))
