"""After the commit: the process that committed sends what its transaction wrote; the sweep sends what a crash left.

An unavailable dependency is not the caller's error: the rows stay unsent and the sweep tries again.
"""

import asyncio
import time
from collections.abc import Collection, Coroutine, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from shared.domain.errors import UnavailableError
from shared.ports.books import Committed
from shared.ports.order_sagas import OrderSagas, SagaRecords
from shared.ports.outbox import Audience, Exchange, ExchangeMessage, Outbox

GATHER_S = 0.25
_LEFT_BEHIND = timedelta(seconds=2)
"""Longer than marks are gathered."""
_MOST = 500
_MOST_COMMITS = 20
_LONGEST_S = 4.0
"""Below the sweep's interval."""
_CLIENTS_S = 0.1
"""How long a commit's caller waits for the clients' service: an order goes on when it does not answer."""
_MOST_LATE = 1000
"""Sendings to clients that may be under way; what comes beyond them is left for the sweep."""
_log = structlog.get_logger(__name__)


class Publisher:
    """Sends messages to the exchange, effects to clients and signals to sagas, then marks them as sent.

    Marks are gathered for `gather_s` and written together: one that a crash loses is sent again by the sweep, and every
    receiver recognizes repetitions.
    """

    def __init__(
        self,
        exchange: Exchange,
        audience: Audience,
        outbox: Outbox,
        records: SagaRecords,
        *,
        gather_s: float = GATHER_S,
    ) -> None:
        self._exchange = exchange
        self._audience = audience
        self._outbox = outbox
        self._records = records
        self._marks = _Marks(outbox, records, gather_s)
        self._to_clients: set[asyncio.Task[None]] = set()

    async def publish(self, committed: Committed, sagas: OrderSagas) -> None:
        """Send what one commit wrote, each kind on its own. What cannot be sent now is left for the sweep."""
        ways: list[Coroutine[None, None, None]] = []
        if committed.outbox:
            ways.append(self._send(committed.outbox))
        if committed.answered_sagas:
            ways.append(self._signal(committed.answered_sagas, sagas))
        if committed.effects:
            ways.append(self._start_effects(committed))
        # None waits for another: an effect for clients must not delay a request to the exchange.
        await asyncio.gather(*(_left_for_the_sweep(way) for way in ways))

    async def _send(self, messages: Sequence[ExchangeMessage]) -> None:
        await self._exchange.send(messages)
        await self._marks.add(messages=[message.message_id for message in messages])

    async def _signal(self, saga_ids: Sequence[UUID], sagas: OrderSagas) -> None:
        for saga_id in saga_ids:
            await sagas.answered(saga_id)
        await self._marks.add(signals=saga_ids)

    async def _start_effects(self, committed: Committed) -> None:
        # What follows the commit, the saga's next step too, must not wait for a service that hangs.
        if len(self._to_clients) >= _MOST_LATE:
            return
        sending = asyncio.create_task(_left_for_the_sweep(self._publish_effects(committed)))
        self._to_clients.add(sending)
        sending.add_done_callback(self._effects_ended)
        await asyncio.wait((sending,), timeout=_CLIENTS_S)

    def _effects_ended(self, sending: asyncio.Task[None]) -> None:
        self._to_clients.discard(sending)
        if not sending.cancelled() and (error := sending.exception()) is not None:
            _log.error("effects were not sent; the sweep tries again", exc_info=error)

    async def _publish_effects(self, committed: Committed) -> None:
        await self._audience.publish(committed.effects)
        await self._marks.add(effects=committed.effects_of)

    async def sweep(self, sagas: OrderSagas) -> None:
        """Send requests and signals that have been waiting for longer than a publisher needs."""
        signals = await self._records.unsent_signals(_LEFT_BEHIND)
        messages = await self._outbox.unsent_messages(_LEFT_BEHIND, _MOST)
        await self.publish(Committed((), messages, signals), sagas)
        await self._marks.write()

    async def sweep_effects(self) -> None:
        """Send effects that have been waiting, page after page, because a second without the clients' service leaves
        thousands. Ends when a page is not taken, or when its time is over: the next sweep goes on."""
        tried: set[UUID] = set()
        ends_at = time.monotonic() + _LONGEST_S
        while time.monotonic() < ends_at:
            commits, effects = await self._outbox.unsent_effects(_LEFT_BEHIND, _MOST_COMMITS)
            if not commits or commits & tried:
                return
            tried = commits
            await _left_for_the_sweep(self._publish_effects(Committed(effects, effects_of=commits)))
            await self._marks.write()


class _Marks:
    """What has been sent and is not marked so yet."""

    def __init__(self, outbox: Outbox, records: SagaRecords, gather_s: float) -> None:
        self._outbox = outbox
        self._records = records
        self._gather_s = gather_s
        self._messages: set[UUID] = set()
        self._effects: set[UUID] = set()
        self._signals: set[UUID] = set()
        self._due: asyncio.Task[None] | None = None

    async def add(
        self, *, messages: Collection[UUID] = (), effects: Collection[UUID] = (), signals: Collection[UUID] = ()
    ) -> None:
        """Mark these soon; at once where nothing is gathered. Raises UnavailableError then."""
        self._messages.update(messages)
        self._effects.update(effects)
        self._signals.update(signals)
        if self._gather_s == 0:
            await self.write()
        elif self._due is None or self._due.done():
            self._due = asyncio.create_task(_left_for_the_sweep(self._write_later()))

    async def _write_later(self) -> None:
        # More may be added while a write is on its way.
        while self._messages or self._effects or self._signals:
            await asyncio.sleep(self._gather_s)
            await self.write()

    async def write(self) -> None:
        """Mark everything that has gathered. Raises UnavailableError: what was not marked is sent again."""
        messages, self._messages = self._messages, set()
        effects, self._effects = self._effects, set()
        signals, self._signals = self._signals, set()
        if messages:
            await self._outbox.messages_sent(messages)
        if effects:
            await self._outbox.effects_sent(effects)
        if signals:
            await self._records.signals_sent(signals)


async def _left_for_the_sweep(way: Coroutine[None, None, None]) -> None:
    try:
        await way
    except UnavailableError as error:
        _log.warning("not sent after the commit; the sweep tries again", reason=str(error))
