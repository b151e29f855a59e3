"""The gateway: bus -> journal -> venue -> archive -> outbox, in groups.

One loop takes everything that waits (natural batching, no timer), journals it in one transaction, lets the
lanes complete their messages, applies it to the venue, archives the reports in one transaction and hands them
to the outbox. After a failure between two of these steps the venue is rebuilt from snapshot and journal:
a message that was not completed is delivered again and recognized by its request ids.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson
import structlog
from psycopg import OperationalError

from simulators.backoff import Backoff
from simulators.exchange import snapshot
from simulators.exchange.commands import (
    Command,
    Entry,
    Kind,
    LateTrade,
    MarketState,
    Quotes,
    Reason,
    Repeat,
    Request,
    SessionEnd,
)
from simulators.exchange.faults import Faults
from simulators.exchange.feed import SLICES_PER_S, Feed
from simulators.exchange.inbox import Delivery, Inbox, Verdict
from simulators.exchange.instruments import InstrumentMaster
from simulators.exchange.intake import BadMessageError, Conditions, Unanswerable, entries_of, judge
from simulators.exchange.makers import MarketMakers
from simulators.exchange.outbox import Outbox
from simulators.exchange.participants import Participants
from simulators.exchange.reports import Report, position_of
from simulators.exchange.sessions import Calendar, Clock, Session, trade_date
from simulators.exchange.store import Outgoing, Parked, Store, StoreBusyError
from simulators.exchange.venue import Venue
from simulators.market_feed.frames import SessionPhase

_REPLAY_PAGE = 2000
_SESSION_END_ORDERS = 1000
_LONGEST_IDLE_S = 60.0
_LOCK_WAIT_S = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Market:
    """What the venue lists, when it trades, who makes its markets, and who else trades there (None: nobody)."""

    master: InstrumentMaster
    calendar: Calendar
    clock: Clock
    makers: MarketMakers | None
    participants: Participants | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """A snapshot every `snapshot_entries` keeps replay short; the journal and archive keep `keep_days`."""

    snapshot_entries: int = 10_000
    keep_days: int = 8


class Gateway:
    """Owns the venue. `run` serves until `stop`."""

    def __init__(self, dsn: str, inbox: Inbox, outbox: Outbox, market: Market, faults: Faults, limits: Limits) -> None:
        self.venue = Venue()
        self.inbox = inbox
        self.outbox = outbox
        self.market = market
        self.faults = faults
        self.feed = Feed(market.master)
        self.ready = asyncio.Event()
        self.ended_day = 0
        self._dsn = dsn
        self._limits = limits
        self._pending: list[Delivery] = []
        self._last_received_at = datetime.min.replace(tzinfo=UTC)
        self._snapshot_position = 0
        self._stopping = False
        self._rounds: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """Serve until `stop`. Retries while PostgreSQL is unavailable. Raises StoreBusyError at start."""
        backoff, started_s = Backoff(), time.monotonic()
        while not self._stopping:
            try:
                async with Store.open(self._dsn) as store:
                    await self._recover(store)
                    backoff.reset()
                    self.ready.set()
                    await self._serve(store)
            except StoreBusyError:
                # PostgreSQL holds the lock of a killed process until it notices the closed connection.
                if not self.ready.is_set() and time.monotonic() - started_s > _LOCK_WAIT_S:
                    raise
                await backoff.wait()
            except OperationalError as error:
                _log.warning("journal_database_away", error=str(error).strip())
                await backoff.wait()

    def stop(self) -> None:
        """Make `run` take what waits, snapshot and return."""
        self._stopping = True
        self.feed.close()
        self.inbox.wake()

    async def settle(self) -> None:
        """Return after a round that began after this call: what a changed clock or session implies is done."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rounds.append(done)
        self.inbox.wake()
        await done

    def session(self) -> Session | None:
        """The session that is open now."""
        now = self.market.clock.market()
        return None if trade_date(now).toordinal() == self.ended_day else self.market.calendar.at(now)

    # --- recovery -------------------------------------------------------------------------------------

    async def _recover(self, store: Store) -> None:
        """Rebuild the venue from snapshot and journal, and archive what had not been archived."""
        began_s = time.monotonic()
        self.outbox.read_from_archive()
        self.feed.close()
        state = await store.snapshot()
        self.venue = snapshot.restore(state) if state else Venue()
        base = self._snapshot_position = self.venue.position
        markers = await store.markers()
        self.ended_day = markers["ended_day"]
        self.market.clock.offset = timedelta(microseconds=markers["clock_offset_us"])
        self._last_received_at = max(self._last_received_at, await store.last_received_at() or self._last_received_at)
        while page := await store.entries(self.venue.position, _REPLAY_PAGE):
            _, closed = await store.known([], _order_ids(page), base)
            self.venue.load(closed)
            await self._apply(store, page, archived=markers["applied"])
        self.venue.forget_closed()
        self.feed.resume(self.venue.tapes)
        if self.market.makers is not None:
            self.market.makers.resume(self.venue.references)
        self.outbox.offer(self.venue.position, (), complete=False)
        _log.info("recovered", position=self.venue.position, snapshot=base, took_s=round(time.monotonic() - began_s, 3))

    # --- rounds ---------------------------------------------------------------------------------------

    async def _serve(self, store: Store) -> None:
        while True:
            if not self._pending:
                self._pending = await self.inbox.take(0 if self._rounds else self._idle_s())
            waiting, self._rounds = self._rounds, []
            try:
                await self._round(store, self._pending)
            except OperationalError:
                self._rounds += waiting
                raise
            for done in waiting:
                if not done.done():
                    done.set_result(None)
            idle, self._pending = not self._pending, []
            if self._stopping and idle:
                await self._save_snapshot(store)
                return

    async def _round(self, store: Store, deliveries: list[Delivery]) -> None:
        conditions = self._conditions()
        requests, parked, verdicts = self._read(deliveries, conditions)
        commands = await self._commands(store, requests, conditions)
        if commands or parked:
            entries = self._entries(commands, conditions)
            await store.journal(entries, parked, conditions.now)
            self._last_received_at = conditions.now
            self.feed.journaled(commands)
            _settle(deliveries, verdicts)
            await self._apply(store, entries)
            self.venue.forget_closed()
            if self.venue.position - self._snapshot_position >= self._snapshot_due():
                await self._save_snapshot(store)
        else:
            _settle(deliveries, verdicts)

    def _conditions(self) -> Conditions:
        now = max(self.market.clock.real(), self._last_received_at)
        day = trade_date(self.market.clock.market())
        return Conditions(now, day, self.session() is not None, self.market.master)

    def _read(
        self, deliveries: list[Delivery], conditions: Conditions
    ) -> tuple[list[Request], list[Parked], list[Verdict]]:
        """The judged requests of all deliveries, what must be parked, and a verdict per delivery."""
        requests: list[Request] = []
        parked: list[Parked] = []
        verdicts: list[Verdict] = []
        for delivery in deliveries:
            try:
                entries = entries_of(delivery.body)
            except BadMessageError as error:
                verdicts.append(Verdict(str(error)))
                continue
            verdicts.append(Verdict())
            for entry in entries:
                judged = judge(entry, conditions)
                if isinstance(judged, Unanswerable):
                    parked.append(Parked(delivery.message_id, judged.entry, judged.error))
                else:
                    requests.append(self._with_faults(judged))
        return requests, parked, verdicts

    def _with_faults(self, request: Request) -> Request:
        """The request, refused with SIMULATED when `reject_percent` applies to it."""
        if request.refusal is None and request.kind in (Kind.NEW, Kind.REPLACE) and self.faults.rejects():
            return replace(request, refusal=Reason.SIMULATED, text="refused by the fault settings")
        return request

    async def _commands(self, store: Store, requests: list[Request], conditions: Conditions) -> list[Command]:
        """What the journal gets: the venue's own commands first, then the requests; known ones as repeats."""
        commands: list[Command] = [*self._session_end(), *self._market_state(conditions)]
        commands += [*self._quotes(requests, conditions), *self.feed.late_trades]
        if requests:
            names = [request.request_id for request in requests]
            orders = list({request.order_id for request in requests})
            seen, closed = await store.known(names, orders, self.venue.position)
            self.venue.load(closed)
            commands += _without_twins(requests, seen)
        return commands

    def _session_end(self) -> Iterator[SessionEnd]:
        if self._session_is_over():
            if self.market.makers is not None:
                self.market.makers.withdraw()
            for _ in range(0, len(self.venue.live), _SESSION_END_ORDERS):
                yield SessionEnd(_SESSION_END_ORDERS)

    def _session_is_over(self) -> bool:
        """Whether live orders belong to a session that is no longer open."""
        session = self.session()
        return bool(self.venue.live) and (session is None or session.trade_date != self.venue.trade_date)

    def _market_state(self, conditions: Conditions) -> list[MarketState]:
        phase = SessionPhase.CONTINUOUS if conditions.open else SessionPhase.CLOSED
        offset_us = self.market.clock.offset // timedelta(microseconds=1)
        return self.feed.market_state(self.venue.tapes, conditions.trade_date, phase, offset_us)

    def _quotes(self, requests: list[Request], conditions: Conditions) -> Iterator[Command]:
        makers = self.market.makers
        if makers is None:
            yield from (Quotes(name, self.venue.references[name], (), ()) for name in self.venue.quotes)
            return
        now_s = time.monotonic()
        walked = makers.advance(now_s, conditions.trade_date)
        if not conditions.open:
            return
        working = self.venue.working if walked and not self._session_is_over() else ()
        touched = [request.instrument_id for request in requests if request.kind in (Kind.NEW, Kind.REPLACE)]
        shown = self.feed.next_slice(now_s, conditions.trade_date)
        moved = [
            each.instrument_id
            for each in shown
            if not self.venue.quotes_stand(each.instrument_id, makers.reference(each))
        ]
        yield from makers.refresh([*working, *touched, *moved], conditions.trade_date)
        if self.market.participants is not None:
            yield from self.market.participants.orders(shown, 1 / SLICES_PER_S)

    def _entries(self, commands: list[Command], conditions: Conditions) -> list[Entry]:
        first = self.venue.position + 1
        ended = self.venue.trade_date or conditions.trade_date
        return [
            Entry(
                position,
                conditions.now,
                ended if isinstance(command, SessionEnd) else conditions.trade_date,
                command,
            )
            for position, command in enumerate(commands, first)
        ]

    async def _apply(self, store: Store, entries: Sequence[Entry], archived: int = 0) -> None:
        """Apply journaled entries; archive and offer those behind `archived`."""
        before = max(self.venue.position, archived)
        reports: list[Report] = []
        repeats: list[tuple[int, Repeat]] = []
        for entry in entries:
            apart = isinstance(entry.command, MarketState | LateTrade)
            if apart:
                self.feed.cut(self.venue)
            made, repeat = self.venue.apply(entry)
            if apart:
                self.feed.cut(self.venue)
            if entry.position > archived:
                reports += made
                if repeat is not None:
                    repeats.append((entry.position, repeat))
        self.feed.cut(self.venue)
        trades = self.feed.trades_behind(archived)
        bodies = [orjson.dumps(report.wire()) for report in reports]
        if self.venue.position > archived:
            ended = self.venue.ended_after(before)
            await store.archive(self.venue.position, reports, bodies, ended, repeats, trades)
            self.feed.archived()
            self.outbox.offer(self.venue.position, _by_position(reports, bodies), complete=not repeats)

    # --- upkeep ---------------------------------------------------------------------------------------

    def _snapshot_due(self) -> int:
        # Writing a snapshot costs as much as it holds, so big books are written less often.
        return max(self._limits.snapshot_entries, len(self.venue.live) // 2)

    async def _save_snapshot(self, store: Store) -> None:
        if self.venue.position > self._snapshot_position:
            await store.save_snapshot(self.venue.position, snapshot.take(self.venue), self._limits.keep_days)
            self._snapshot_position = self.venue.position

    def _idle_s(self) -> float:
        """Until the makers walk or the session ends."""
        idle_s = _LONGEST_IDLE_S
        if self.market.makers is not None:
            idle_s = min(idle_s, self.market.makers.due_s(time.monotonic()))
        if self.feed.watched:
            idle_s = min(idle_s, self.feed.due_s(time.monotonic()))
        session = self.session()
        if session is not None:
            idle_s = min(idle_s, (session.closes - self.market.clock.market()).total_seconds())
        return max(idle_s, 0.0)


def _settle(deliveries: list[Delivery], verdicts: list[Verdict]) -> None:
    for delivery, verdict in zip(deliveries, verdicts, strict=True):
        delivery.settle(verdict)


def _without_twins(requests: list[Request], seen: set[str]) -> Iterator[Command]:
    """Each request once; one that was journaled before, or stands twice here, as a repeat."""
    for request in requests:
        if request.request_id in seen:
            yield Repeat(request.order_id, request.request_id)
        else:
            seen.add(request.request_id)
            yield request


def _by_position(reports: list[Report], bodies: list[bytes]) -> list[Outgoing]:
    gathered: dict[int, list[bytes]] = {}
    for report, body in zip(reports, bodies, strict=True):
        gathered.setdefault(position_of(report.report_id), []).append(body)
    return [Outgoing(position, tuple(found)) for position, found in gathered.items()]


def _order_ids(entries: Sequence[Entry]) -> list[str]:
    return list({entry.command.order_id for entry in entries if isinstance(entry.command, Request)})
