"""A worker: holds leases of partitions, works on them in sessions, and comes back after every failure.

Purpose: several workers share a task hub, each partition has at most one owner, and a worker whose
lease was taken over cannot commit (the epoch is compared inside every commit).
Rules: a worker that is alive but slow keeps its partitions unless another one wants them. Partitions are
spread evenly over live workers. When PostgreSQL goes away the session ends and the worker tries again
with bounded back-off; running activities go on meanwhile.
"""

import asyncio
import math
import random
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection, sql

from emulators.durable.activities import ActivityRunner
from emulators.durable.commits import CommitterClosedError, LeaseLostError
from emulators.durable.contract import Invoker
from emulators.durable.http_calls import HttpCaller
from emulators.durable.retention import keep_purging
from emulators.durable.session import Session
from emulators.durable.settings import HubSettings
from emulators.durable.store import LeaseRow, Store, connect

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0


class SharesChangedError(Exception):
    """Workers came or went: this worker's share of the partitions is another one now."""


def wanted_partitions(leases: Sequence[LeaseRow]) -> set[int]:
    """The partitions that this worker should hold: its fair share, its own before free ones."""
    workers = max((lease.workers for lease in leases), default=1)
    share = math.ceil(len(leases) / max(workers, 1))
    mine = [lease.partition for lease in leases if lease.mine]
    free = [lease.partition for lease in leases if lease.free and not lease.mine]
    return set((mine + free)[:share])


class Worker:
    """Runs the durable functions of one host process."""

    def __init__(self, dsn: str, hub: str, partitions: int, settings: HubSettings, invoker: Invoker) -> None:
        self._dsn = dsn
        self._hub = hub
        self._partitions = partitions
        self._settings = settings
        self._invoker = invoker
        self._runner = ActivityRunner(invoker, settings.max_activities, HttpCaller(settings.http_poll_s))
        self._task: asyncio.Task[None] | None = None
        self.id = str(uuid.uuid4())
        self.session: Session | None = None

    @property
    def channel(self) -> str:
        """The PostgreSQL channel on which arrivals are announced."""
        return channel_of(self._hub)

    def start(self) -> None:
        """Begin to work in the background."""
        self._task = asyncio.create_task(self._run(), name=f"durable worker of {self._hub}")

    async def drain(self, timeout_s: float) -> None:
        """Start nothing new, wait for what runs, then give the leases back."""
        self._runner.close()
        try:
            async with asyncio.timeout(timeout_s):
                await self._runner.wait_for_running()
                if self.session is not None:
                    await self.session.settle()
        except TimeoutError:
            _log.warning("durable worker drained late; what still runs will run again", timeout_s=timeout_s)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._runner.cancel_running()

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._work()
            except* (LeaseLostError, SharesChangedError) as ended:
                _log.info("durable session ended", reason=str(ended.exceptions[0]))
                pause_s = _FIRST_PAUSE_S
            except* (psycopg.Error, CommitterClosedError, OSError, TimeoutError) as ended:
                _log.warning("durable session lost its database", reason=str(ended.exceptions[0]))
            except* Exception as ended:  # noqa: BLE001 - a worker that stops would leave its hub without one
                _log.error("durable session failed", exc_info=ended)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - spreads reconnects
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _work(self) -> None:
        """One session: connect, take leases, work until something fails."""
        async with AsyncExitStack() as stack:
            stores: dict[str, Store] = {}
            for name in ("commits", "reads", "leases"):
                connection = await connect(self._dsn)
                stack.push_async_callback(connection.close)
                stores[name] = Store(connection, self._hub)
            listener = await connect(self._dsn)
            stack.push_async_callback(listener.close)
            await listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.channel)))
            epochs = await self._acquire(stores["leases"])
            session = Session(
                stores, self.id, self._partitions, epochs, self._settings, self._invoker, self._runner, self.channel
            )
            self._runner.drop_queued()
            self.session = session
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(listener, session), name="durable wake-ups")
                    tasks.create_task(self._renew(stores["leases"], set(epochs)), name="durable leases")
                    tasks.create_task(session.run(), name="durable session")
                    tasks.create_task(keep_purging(stores["leases"], self._settings.retention), name="durable purges")
            except asyncio.CancelledError:
                await self._resign(stores["leases"], epochs)
                raise
            finally:
                self.session = None
                self._runner.deliver = None

    async def _acquire(self, store: Store) -> dict[int, int]:
        await self._heartbeat(store)
        leases = await self._survey(store)
        wanted = wanted_partitions(leases)
        surplus = [lease.partition for lease in leases if lease.mine and lease.partition not in wanted]
        if surplus:
            await store.rows("release_leases", worker=self.id, partitions=surplus)
            await store.wake(self.channel, surplus)
        taken = await store.rows("take_leases", worker=self.id, partitions=sorted(wanted))
        return {row["partition"]: row["epoch"] for row in taken}

    async def _renew(self, store: Store, held: set[int]) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_s)
            await self._heartbeat(store)
            leases = await self._survey(store)
            if not held <= {lease.partition for lease in leases if lease.mine}:
                raise LeaseLostError("another worker took over a partition")
            if wanted_partitions(leases) != held:
                raise SharesChangedError("workers came or went")

    async def _heartbeat(self, store: Store) -> None:
        await store.rows("heartbeat", worker=self.id, lease_s=self._settings.lease_s)

    async def _survey(self, store: Store) -> list[LeaseRow]:
        return await store.records(LeaseRow, "survey_leases", worker=self.id)

    async def _resign(self, store: Store, epochs: dict[int, int]) -> None:
        try:
            await store.rows("release_leases", worker=self.id, partitions=sorted(epochs))
            await store.rows("forget_worker", worker=self.id)
        except psycopg.Error as error:
            _log.info("leases were not given back; they expire", reason=str(error))

    async def _listen(self, connection: AsyncConnection[dict[str, Any]], session: Session) -> None:
        async for notification in connection.notifies():
            what, _, partitions = notification.payload.partition(":")
            session.notice(what, map(int, partitions.split(",")))


def channel_of(hub: str) -> str:
    """The name of a hub's channel."""
    return f"durable_{hub}"
