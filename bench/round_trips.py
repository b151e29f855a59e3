"""Counts round trips to PostgreSQL exactly, whatever the driver pipelines: a proxy that looks who sends.

A round trip begins when a client sends after the server has sent. The proxy costs time and CPU, so nothing else is
measured through it.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

_CHUNK = 256 * 1024


class RoundTrips:
    """How many there were, over all connections."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def counting_proxy(port: int, listen: int = 0) -> Iterator[tuple[int, RoundTrips]]:
    """Serve on a local port (0: a free one) in front of the server's; yields it and the count."""
    loop, trips = asyncio.new_event_loop(), RoundTrips()
    ready, address = threading.Event(), [listen]

    async def serve() -> None:
        server = await asyncio.start_server(partial(_relay, port, trips), "127.0.0.1", listen)
        address[0] = server.sockets[0].getsockname()[1]
        ready.set()
        with suppress(asyncio.CancelledError):
            await server.serve_forever()

    task = loop.create_task(serve())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,), name="counting proxy", daemon=True)
    thread.start()
    ready.wait(5)
    try:
        yield address[0], trips
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(5)


async def _relay(port: int, trips: RoundTrips, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    server_spoke = [True]

    async def to_server() -> None:
        while data := await reader.read(_CHUNK):
            if server_spoke[0]:
                server_spoke[0] = False
                trips.count += 1
            server_writer.write(data)
            await server_writer.drain()

    async def to_client() -> None:
        while data := await server_reader.read(_CHUNK):
            server_spoke[0] = True
            writer.write(data)
            await writer.drain()

    directions = [asyncio.create_task(to_server()), asyncio.create_task(to_client())]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        server_writer.close()
        writer.close()
