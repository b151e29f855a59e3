"""What only the adapter promises: it connects late, waits a bounded time, and comes back by itself."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from azure.cosmos.aio import CosmosClient

from emulators.cosmos.server import CosmosServer, ServerSettings
from emulators.processes.postgres import PostgresServer, free_port
from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.cosmos.candle_history import KEPT, CosmosCandleHistory
from shared.adapters.cosmos.container import CosmosAddress
from shared.domain.errors import UnavailableError
from tests.contract.test_candle_history import HOUR, INFY, a_candle, an_hour
from tests.support.cosmos import a_container, candles_server
from tests.support.waiting import eventually


async def test_absent_service_costs_a_bounded_wait_once() -> None:
    async with a_container(f"http://127.0.0.1:{free_port()}/", "c2VjcmV0") as container:
        history = CosmosCandleHistory(container)
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            await history.hours(INFY, HOUR, HOUR)
        assert time.monotonic() - began < 6
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            await history.put(an_hour(a_candle(1)))
        assert time.monotonic() - began < 0.1


async def test_history_comes_back_with_the_service(postgres_server: PostgresServer) -> None:
    port = free_port()
    async with a_container(f"http://127.0.0.1:{port}/", ServerSettings().keys[0]) as container:
        history = CosmosCandleHistory(container)
        with pytest.raises(UnavailableError):
            await history.hours(INFY, HOUR, HOUR)

        async def is_back() -> bool:
            try:
                return await history.hours(INFY, HOUR, HOUR) == []
            except UnavailableError:
                return False

        for _ in range(2):  # once anew and once after it was lost
            async with candles_server(postgres_server, port):
                await eventually(is_back)
            with pytest.raises(UnavailableError):
                await history.hours(INFY, HOUR, HOUR)


async def test_missing_container_is_no_empty_history(postgres_server: PostgresServer) -> None:
    async with candles_server(postgres_server) as server, a_container(server.url, server.key, "other") as container:
        with pytest.raises(UnavailableError):
            await CosmosCandleHistory(container).hours(INFY, HOUR, HOUR)
        with pytest.raises(UnavailableError):
            await container.ping()


async def test_container_dropped_meanwhile_is_no_empty_history(postgres_server: PostgresServer) -> None:
    async with candles_server(postgres_server) as server, a_container(server.url, server.key) as container:
        history = CosmosCandleHistory(container)
        assert await history.hours(INFY, HOUR, HOUR) == []
        await _drop(server)
        with pytest.raises(UnavailableError):
            await history.hours(INFY, HOUR, HOUR)


async def test_throttled_service_counts_as_unavailable(postgres_server: PostgresServer) -> None:
    async with candles_server(postgres_server) as server, a_container(server.url, server.key) as container:
        await container.ping()
        server.faults.add(429, count=20, path="dbs/broker/colls/candles/docs")
        with pytest.raises(UnavailableError):
            await CosmosCandleHistory(container).put(an_hour(a_candle(1)))


async def test_documents_hold_money_as_strings_and_expire(postgres_server: PostgresServer) -> None:
    async with candles_server(postgres_server) as server, a_container(server.url, server.key) as container:
        await CosmosCandleHistory(container).put(an_hour(a_candle(1)))

        async def read(raw: object) -> dict[str, object]:
            return await raw.read_item("2026-06-21T00", INFY)  # type: ignore[attr-defined]

        document = await container.call(read)
    [candle] = document["candles"]  # type: ignore[misc]
    assert document["ttl"] == KEPT // timedelta(seconds=1)
    assert (candle["open"], candle["turnover"], candle["basis"]) == ("1512.35", "10000000000000.01", "WINDOWS")


def test_incomplete_connection_string_is_refused() -> None:
    for text in ("AccountEndpoint=http://x/;", "AccountKey=abc;", "x"):
        with pytest.raises(ValueError, match="COSMOS_CONNECTION"):
            CosmosAddress.parsed(text, None, uuid4().hex, None, ManagedIdentity())
    assert CosmosAddress.parsed(None, None, "broker", None, ManagedIdentity()) is None


async def _drop(server: CosmosServer) -> None:
    async with CosmosClient(server.url, server.key) as client:
        await client.get_database_client("broker").delete_container("candles")
