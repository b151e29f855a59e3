"""One feed process: source, publisher and admin API, from start to end."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.routing import Route

from simulators.loopback import LoopbackServer, listen
from simulators.market_feed.admin import AdminApi
from simulators.market_feed.event_hubs import EventHubs
from simulators.market_feed.faults import Faults
from simulators.market_feed.publisher import Publisher
from simulators.market_feed.source import Source

_SHUTDOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a feed process is started with."""

    event_hubs: str
    shards: Mapping[str, Sequence[str]]
    admin_port: int = 0


async def serve(
    settings: Settings,
    source_of: Callable[[Publisher], Source],
    announce: Callable[[int], None],
    routes: Sequence[Route] = (),
) -> None:
    """Publish until SIGTERM or SIGINT, or until the source ends.

    `announce` gets the port of the admin API, which serves `routes` too. Raises AdminPortError.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    faults = Faults()
    async with EventHubs(settings.event_hubs) as hubs:
        publisher = Publisher(settings.shards, hubs, faults)
        source = source_of(publisher)
        admin_socket = listen(settings.admin_port)
        app = AdminApi(source, publisher, hubs, faults).app(routes)
        admin = LoopbackServer(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        tasks = [
            asyncio.create_task(source.run(), name="source"),
            asyncio.create_task(publisher.run(), name="publisher"),
            serving := asyncio.create_task(admin.serve([admin_socket]), name="admin"),
            asyncio.create_task(stopping.wait(), name="stopping"),
        ]
        announce(admin_socket.getsockname()[1])
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            admin.should_exit = True
            await asyncio.wait([serving], timeout=_SHUTDOWN_S)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            admin_socket.close()
