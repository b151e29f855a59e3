"""Clients of the broker's hubs at the emulated service."""

from uuid import UUID

from websockets.asyncio.client import connect

from emulators.tests.signalr.support import HANDSHAKE, KEY, Client
from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.signalr.service import ServiceAddress, SignalRService
from shared.domain.push import Hub


def at(url: str, key: str = KEY) -> SignalRService:
    """The adapter's view of a service."""
    address = ServiceAddress.parsed(f"Endpoint={url};AccessKey={key};Version=1.0;", None, ManagedIdentity())
    assert address is not None
    return SignalRService(address)


async def connected(service: SignalRService, hub: Hub, user: UUID) -> Client:
    """A client that came in by what it was handed, and by nothing else."""
    access = await service.admit(hub, user, ["trader"])
    client = Client(
        await connect(f"{access.url.replace('http', 'ws', 1)}&access_token={access.token}", compression=None)
    )
    await client.socket.send(HANDSHAKE)
    assert await client.receive_any() == {}
    return client
