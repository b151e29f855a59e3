"""What a request reads does not grow with the container, nor with the partition where ids are named."""

from typing import Any

import psycopg

from emulators.cosmos.server import CosmosServer
from emulators.tests.cosmos.sdk import Sdk, connected, key_path
from emulators.tests.support.waiting import eventually

OTHERS = 20_000
ROUNDS = 3


async def rows_read(dsn: str) -> int:
    """How many rows of `item` PostgreSQL has looked at; connections report it when they are closed."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:

        async def alone() -> bool:
            cursor = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND backend_type = 'client backend'"
            )
            return await cursor.fetchone() == (1,)

        await eventually(alone)
        cursor = await connection.execute(
            "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'item'"
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def fill(dsn: str) -> None:
    """A large partition, a small one, and many others."""
    async with CosmosServer.start(dsn) as server, connected("async", server.url, server.key) as client:
        container = await (await client.create_database("d")).create_container("c", key_path("/pk"))
        for first in range(0, 300, 100):
            batch: Any = [("create", ({"id": f"{n:05}", "pk": "hours"},)) for n in range(first, first + 100)]
            await container.execute_item_batch(batch, "hours")
        await container.create_item({"id": "only", "pk": "small"})
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO item (container_id, place, id, range_number, number, lsn, written_at, etag, body) "
            "SELECT 1, decode(md5(n::text) || md5(n::text), 'hex'), n::text, 0, 1000 + n, 1000 + n, 0, '', '{}' "
            f"FROM generate_series(1, {OTHERS}) AS n"
        )
        await connection.execute("ANALYZE item")


async def use(container: Sdk) -> None:
    """One request of each kind that names what it wants; about 30 rows."""
    assert (await container.read_item("00150", "hours"))["id"] == "00150"
    assert await container.query_items("SELECT VALUE c.id FROM c", partition_key="small") == ["only"]
    assert await container.query_items("SELECT VALUE c.id FROM c WHERE c.pk = 'small'") == ["only"]
    ten = "SELECT VALUE c.id FROM c WHERE c.id >= '00100' AND '00109' >= c.id AND IS_DEFINED(c.pk)"
    assert len(await container.query_items(ten, partition_key="hours")) == 10
    assert len(await container.read_items([(f"{n:05}", "hours") for n in range(0, 50, 10)])) == 5
    await container.upsert_item({"id": "only", "pk": "small"})
    assert await container.query_items_change_feed(start_time="Now", partition_key="small") == []


async def test_reads_stay_flat_as_the_container_grows(dsn: str) -> None:
    await fill(dsn)
    before = await rows_read(dsn)
    async with CosmosServer.start(dsn) as server, connected("async", server.url, server.key) as client:
        container = Sdk(client.raw.get_database_client("d").get_container_client("c"), is_async=True)
        for _ in range(ROUNDS):
            await use(container)
    assert 0 < await rows_read(dsn) - before < 200 * ROUNDS
