"""Cosmos DB for tests: the emulator in this process, with the containers that the sandbox declares."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from emulators.cosmos.declarations import read_declarations
from emulators.cosmos.server import CosmosServer, ServerSettings
from emulators.processes.postgres import PostgresServer
from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.cosmos.container import CosmosAddress, CosmosContainer

DECLARED = Path(__file__).parents[2] / "sandbox" / "cosmos.json"


@asynccontextmanager
async def candles_server(postgres: PostgresServer, port: int = 0) -> AsyncIterator[CosmosServer]:
    """A server on a database of its own."""
    settings = ServerSettings(port=port, databases=tuple(read_declarations(DECLARED)))
    async with CosmosServer.start(postgres.create_database(f"cosmos_{uuid4().hex[:12]}"), settings) as server:
        yield server


@asynccontextmanager
async def a_container(url: str, key: str, name: str = "candles") -> AsyncIterator[CosmosContainer]:
    """The adapters' container on it, not connected yet."""
    address = CosmosAddress.parsed(f"AccountEndpoint={url};AccountKey={key};", None, "broker", None, ManagedIdentity())
    assert address is not None
    container = CosmosContainer(address, name, rest_s=0.2)
    yield container
    await container.close()
