"""What one would write by hand: a `websockets` server that broadcasts to everybody who is connected."""

import asyncio
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from websockets.asyncio.server import broadcast, serve


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send each text to every client."""

    texts: list[str]


async def _serve(pipe: Connection) -> None:
    clients: set[Any] = set()

    async def listen(client: Any) -> None:
        clients.add(client)
        try:
            await client.wait_closed()
        finally:
            clients.discard(client)

    async with serve(listen, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        pipe.send(next(iter(server.sockets)).getsockname()[1])
        while isinstance(command := await asyncio.to_thread(pipe.recv), Broadcast):
            for text in command.texts:
                broadcast(clients, text)
                await asyncio.sleep(0)


def run(pipe: Connection) -> None:
    """Answer the port, then broadcast until None comes."""
    asyncio.run(_serve(pipe))
