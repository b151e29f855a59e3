"""One venue process: gateway, outbox, lanes and admin API, from start to drained end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
import uvicorn

from simulators.exchange.admin import AdminApi
from simulators.exchange.faults import Faults
from simulators.exchange.gateway import Gateway, Limits, Market
from simulators.exchange.inbox import Inbox, Transport
from simulators.exchange.outbox import Outbox
from simulators.loopback import LoopbackServer, listen

_DRAIN_S = 10.0
_log = structlog.get_logger(__name__)


class AttachedTransport(Transport, Protocol):
    """A transport that says when requests can arrive."""

    attached: asyncio.Event


@dataclass(frozen=True, slots=True)
class Settings:
    """What a venue process is started with."""

    database: str
    market: Market
    limits: Limits
    seed: int = 0
    admin_port: int = 0


async def serve(
    settings: Settings, transport: AttachedTransport, stopping: asyncio.Event, announce: Callable[[int], None]
) -> None:
    """Serve until `stopping`, then drain: take no more, answer what was taken, snapshot.

    `announce` is called once with the admin port when every lane is attached. Raises StoreBusyError and
    AdminPortError at start.
    """
    inbox, faults = Inbox(), Faults(settings.seed)
    outbox = Outbox(settings.database, transport, faults)
    gateway = Gateway(settings.database, inbox, outbox, settings.market, faults, settings.limits)
    admin_socket = listen(settings.admin_port)
    admin = LoopbackServer(uvicorn.Config(AdminApi(gateway, settings.database).app(), log_level="warning"))
    working = asyncio.create_task(gateway.run(), name="gateway")
    sending = asyncio.create_task(outbox.run(), name="outbox")
    tasks = [working, sending]
    try:
        await _first(tasks, gateway.ready, stopping)
        serving = asyncio.create_task(admin.serve([admin_socket]), name="admin")
        tasks.append(serving)
        receiving = asyncio.create_task(transport.receive(inbox), name="lanes")
        tasks.append(receiving)
        await _first(tasks, transport.attached, stopping)
        if not stopping.is_set():
            announce(admin_socket.getsockname()[1])
            await _first(tasks, stopping)
        await _cancel(receiving)
        await _drain(gateway, working, outbox)
        admin.should_exit = True
        await asyncio.wait([serving], timeout=_DRAIN_S)
    finally:
        await _cancel(*tasks)
        admin_socket.close()


async def _drain(gateway: Gateway, working: "asyncio.Task[None]", outbox: Outbox) -> None:
    gateway.stop()
    try:
        async with asyncio.timeout(_DRAIN_S):
            await working
            await outbox.until_idle()
    except TimeoutError:
        # Nothing is lost: the journal has it, and the next start sends it.
        _log.warning("stopped_before_drained", backlog=outbox.backlog)


async def _first(tasks: "list[asyncio.Task[None]]", *events: asyncio.Event) -> None:
    """Return when an event is set; a task that ends before that must have failed, and its error is raised."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait([*tasks, *waits], return_when=asyncio.FIRST_COMPLETED)
        for task in done.intersection(tasks):
            task.result()
            raise RuntimeError(f"{task.get_name()} ended before its time")
    finally:
        await _cancel(*waits)


async def _cancel(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    # What a task raised has been raised by `_first` already.
    await asyncio.gather(*tasks, return_exceptions=True)
