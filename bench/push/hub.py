"""One client of a hub, by the hub protocol alone."""

from dataclasses import dataclass

import httpx
from websockets.asyncio.client import ClientConnection, connect

_HANDSHAKE = '{"protocol":"json","version":1}\x1e'


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection, and the id by which it joins groups."""

    socket: ClientConnection
    connection_id: str


async def opened(url: str, token: str) -> Opened:
    """Connect as a client does that was given this address and token."""
    async with httpx.AsyncClient(timeout=10) as http:
        negotiate = url.replace("/client/?", "/client/negotiate?")
        answer = await http.post(negotiate, headers={"Authorization": f"Bearer {token}"})
    connection = answer.raise_for_status().json()["connectionId"]
    address = f"{url.replace('http', 'ws', 1)}&access_token={token}&id={connection}"
    socket = await connect(address, compression=None, ping_interval=None)
    await socket.send(_HANDSHAKE)
    await socket.recv()
    return Opened(socket, connection.partition(".")[0])
