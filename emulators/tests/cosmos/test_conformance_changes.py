"""Batches, patches, the change feed and expiry, as Azure's documentation and the SDK describe them, with sources."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError, CosmosResourceNotFoundError

from emulators.cosmos.server import CosmosServer
from emulators.tests.cosmos.sdk import Sdk, connected, ids, key_path, without_system
from emulators.tests.support.waiting import eventually

# --- batches: https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch ---


async def test_batch_does_everything_in_its_order(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch"""
    await container.create_item({"id": "old", "pk": "a", "n": 1})
    results = await container.execute_item_batch(
        [
            ("create", ({"id": "new", "pk": "a", "n": 1},)),
            ("upsert", ({"id": "new", "pk": "a", "n": 2},)),
            ("read", ("new",)),
            ("patch", ("new", [{"op": "incr", "path": "/n", "value": 5}])),
            ("replace", ("old", {"id": "old", "pk": "a", "n": 9})),
            ("delete", ("old",)),
        ],
        "a",
    )
    assert [one["statusCode"] for one in results] == [201, 200, 200, 200, 200, 204]
    assert [one["resourceBody"]["n"] for one in results[:5]] == [1, 2, 2, 7, 9]
    assert [without_system(one) for one in await container.read_all_items()] == [{"id": "new", "pk": "a", "n": 7}]


async def test_failed_batch_changes_nothing(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch: 207, and 424 for the other operations"""
    old = await container.create_item({"id": "1", "pk": "a"})
    with pytest.raises(CosmosBatchOperationError) as caught:
        await container.execute_item_batch(
            [
                ("create", ({"id": "2", "pk": "a"},)),
                ("delete", ("1",)),
                ("replace", ("none", {"id": "none", "pk": "a"})),
                ("create", ({"id": "3", "pk": "a"},)),
            ],
            "a",
        )
    assert caught.value.error_index == 2
    assert [one["statusCode"] for one in caught.value.operation_responses] == [424, 424, 404, 424]
    assert await container.read_all_items() == [old]


async def test_batch_honours_the_versions_it_names(container: Sdk) -> None:
    """azure-cosmos `_base._format_batch_operations`: if_match_etag"""
    old = await container.create_item({"id": "1", "pk": "a"})
    fresh = {"if_match_etag": old["_etag"]}
    await container.execute_item_batch([("replace", ("1", {"id": "1", "pk": "a", "n": 1}), dict(fresh))], "a")
    with pytest.raises(CosmosBatchOperationError) as caught:
        await container.execute_item_batch([("replace", ("1", {"id": "1", "pk": "a", "n": 2}), dict(fresh))], "a")
    assert caught.value.status_code == 412


async def test_batch_is_bounded_as_in_azure(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-request-limits: 100 operations, 2 MB"""
    many: list[Any] = [("create", ({"id": str(number), "pk": "a"},)) for number in range(101)]
    with pytest.raises(CosmosHttpResponseError) as caught:
        await container.execute_item_batch(many, "a")
    assert caught.value.status_code == 400
    large: list[Any] = [("create", ({"id": str(number), "pk": "a", "x": "x" * 800_000},)) for number in range(3)]
    with pytest.raises(CosmosHttpResponseError) as caught:
        await container.execute_item_batch(large, "a")
    assert caught.value.status_code == 413
    assert len(await container.execute_item_batch(many[:100], "a")) == 100


async def test_batch_writes_one_partition_key_only(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch"""
    with pytest.raises(CosmosBatchOperationError) as caught:
        await container.execute_item_batch([("create", ({"id": "1", "pk": "b"},))], "a")
    assert caught.value.status_code == 400


# --- patches: https://learn.microsoft.com/azure/cosmos-db/partial-document-update ---

BEFORE = {"id": "1", "pk": "a", "n": 1, "list": [1, 2, 3], "o": {"x": 1}}
PATCHES = [
    ([{"op": "add", "path": "/new", "value": {"k": [None]}}], {"new": {"k": [None]}}),
    ([{"op": "add", "path": "/list/1", "value": 9}], {"list": [1, 9, 2, 3]}),
    ([{"op": "add", "path": "/list/-", "value": 9}], {"list": [1, 2, 3, 9]}),
    ([{"op": "set", "path": "/list/1", "value": 9}], {"list": [1, 9, 3]}),
    ([{"op": "set", "path": "/o/y", "value": 2}], {"o": {"x": 1, "y": 2}}),
    ([{"op": "replace", "path": "/o", "value": 5}], {"o": 5}),
    ([{"op": "remove", "path": "/list/0"}], {"list": [2, 3]}),
    ([{"op": "incr", "path": "/n", "value": 0.5}], {"n": 1.5}),
    ([{"op": "incr", "path": "/missing", "value": 3}], {"missing": 3}),
    ([{"op": "move", "from": "/o/x", "path": "/moved"}], {"o": {}, "moved": 1}),
    ([{"op": "set", "path": "/a~1b", "value": 1}], {"a/b": 1}),
]
WRONG_PATCHES = [
    [{"op": "replace", "path": "/missing", "value": 1}],
    [{"op": "remove", "path": "/missing"}],
    [{"op": "add", "path": "/missing/deep", "value": 1}],
    [{"op": "add", "path": "/list/7", "value": 1}],
    [{"op": "incr", "path": "/o", "value": 1}],
    [{"op": "set", "path": "/id", "value": "2"}],
    [{"op": "set", "path": "/pk", "value": "b"}],
    [{"op": "set", "path": "/_ts", "value": 1}],
    [{"op": "move", "from": "/o", "path": "/o/inside"}],
    [{"op": "jump", "path": "/n"}],
    [{"op": "set", "path": "/n", "value": 2}, {"op": "remove", "path": "/missing"}],
    [{"op": "set", "path": f"/p{number}", "value": 1} for number in range(11)],
]


async def test_patch_does_what_each_operation_says(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/partial-document-update#supported-operations"""
    for operations, expected in PATCHES:
        await container.upsert_item(BEFORE)
        assert without_system(await container.patch_item("1", "a", operations)) == {**BEFORE, **expected}


async def test_wrong_patch_changes_nothing(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/partial-document-update-faq: at most 10 operations; all or none"""
    before = await container.create_item(BEFORE)
    for operations in WRONG_PATCHES:
        with pytest.raises(CosmosHttpResponseError) as caught:
            await container.patch_item("1", "a", operations)
        assert caught.value.status_code == 400
    assert await container.read_item("1", "a") == before


async def test_patch_applies_when_its_condition_holds(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/partial-document-update#conditional-update"""
    await container.create_item(BEFORE)
    step = [{"op": "incr", "path": "/n", "value": 1}]
    assert (await container.patch_item("1", "a", step, filter_predicate="from c where c.n = 1"))["n"] == 2
    with pytest.raises(CosmosHttpResponseError) as caught:
        await container.patch_item("1", "a", step, filter_predicate="from c where c.n = 1")
    assert caught.value.status_code == 412


# --- change feed: https://learn.microsoft.com/azure/cosmos-db/change-feed ---


async def test_feed_gives_latest_versions_in_their_order(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/change-feed-latest-version: no deletions, no old versions"""
    for number in range(6):
        await container.create_item({"id": str(number), "pk": "a"})
    await container.upsert_item({"id": "1", "pk": "a", "n": 1})
    await container.delete_item("3", "a")
    found = await container.query_items_change_feed(start_time="Beginning", partition_key="a")
    assert ids(found) == ["0", "2", "4", "5", "1"]
    assert found[-1]["n"] == 1


async def test_feed_covers_all_ranges_and_each_key(container: Sdk) -> None:
    """azure-cosmos `_change_feed/change_feed_state.py`: a range by its id, a key by its effective partition key"""
    for number in range(20):
        await container.create_item({"id": str(number), "pk": number % 4})
    everything = await container.query_items_change_feed(start_time="Beginning")
    assert sorted(map(int, ids(everything))) == list(range(20))
    assert ids(await container.query_items_change_feed(start_time="Beginning", partition_key=2)) == [
        "2",
        "6",
        "10",
        "14",
        "18",
    ]
    ranges = container.raw.read_feed_ranges()
    ranges = [one async for one in ranges] if container.is_async else list(ranges)
    assert len(ranges) == 2
    found = [ids(await container.query_items_change_feed(start_time="Beginning", feed_range=one)) for one in ranges]
    assert all(found)
    assert sorted(found[0] + found[1]) == sorted(ids(everything))


async def test_feed_goes_on_from_its_continuation(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/change-feed-pull-model"""
    await container.create_item({"id": "before", "pk": "a"})
    assert await container.query_items_change_feed(start_time="Now") == []
    token = container.raw.client_connection.last_response_headers["etag"]
    await container.create_item({"id": "after", "pk": "b"})
    await container.create_item({"id": "too", "pk": "a"})
    found = await container.query_items_change_feed(continuation=token)
    assert sorted(ids(found)) == ["after", "too"]
    token = container.raw.client_connection.last_response_headers["etag"]
    assert await container.query_items_change_feed(continuation=token) == []


async def test_feed_starts_at_a_moment(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/change-feed-pull-model: from a point in time, in seconds"""
    await container.create_item({"id": "1", "pk": "a"})
    now = datetime.now(UTC)
    assert ids(await container.query_items_change_feed(start_time=now - timedelta(seconds=60))) == ["1"]
    assert await container.query_items_change_feed(start_time=now + timedelta(seconds=60)) == []


# --- expiry: https://learn.microsoft.com/azure/cosmos-db/nosql/time-to-live ---


async def test_item_is_gone_when_its_time_is_up(database: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/time-to-live: for reads, queries and the feed alike"""
    container = await database.create_container(
        "c", key_path("/pk"), default_ttl=-1, unique_key_policy={"uniqueKeys": [{"paths": ["/u"]}]}
    )
    started = time.monotonic()
    await container.create_item({"id": "short", "pk": "a", "ttl": 1, "u": 1})
    await container.create_item({"id": "long", "pk": "a", "ttl": 1000, "u": 2})
    await container.create_item({"id": "for ever", "pk": "a", "u": 3})
    assert (await container.read_item("short", "a"))["ttl"] == 1

    async def gone() -> bool:
        try:
            await container.read_item("short", "a")
        except CosmosResourceNotFoundError:
            return True
        return False

    await eventually(gone)
    assert 0.9 < time.monotonic() - started < 5
    assert await container.query_items("SELECT VALUE c.id FROM c", partition_key="a") == ["long", "for ever"]
    assert ids(await container.query_items_change_feed(start_time="Beginning")) == ["long", "for ever"]
    await container.create_item({"id": "short", "pk": "a", "u": 1})
    assert "ttl" not in await container.read_item("short", "a")


async def test_items_time_counts_only_where_the_container_has_one(database: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/time-to-live#time-to-live-for-containers-and-items"""
    without = await database.create_container("without", key_path("/pk"))
    await without.create_item({"id": "1", "pk": "a", "ttl": 1})
    default = await database.create_container("default", key_path("/pk"), default_ttl=1)
    await default.create_item({"id": "1", "pk": "a"})
    await default.create_item({"id": "2", "pk": "a", "ttl": -1})

    async def left() -> bool:
        return ids(await default.read_all_items()) == ["2"]

    await eventually(left)
    assert ids(await without.read_all_items()) == ["1"]
    for wrong in (0, None, -2, "1", 1.5):
        with pytest.raises(CosmosHttpResponseError) as caught:
            await default.create_item({"id": "3", "pk": "a", "ttl": wrong})
        assert caught.value.status_code == 400


async def test_expired_rows_are_deleted_with_their_unique_values(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/time-to-live: deleted in the background, without being asked"""
    monkeypatch.setattr("emulators.cosmos.expiry._PAUSE_S", 0.05)
    async with CosmosServer.start(dsn) as server, connected("async", server.url, server.key) as client:
        container = await (await client.create_database("d")).create_container(
            "c", key_path("/pk"), default_ttl=1, unique_key_policy={"uniqueKeys": [{"paths": ["/u"]}]}
        )
        for number, ttl in enumerate(({}, {"ttl": 1}, {"ttl": -1}, {"ttl": 1000})):
            await container.create_item({"id": str(number), "pk": "a", "u": number, **ttl})
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:

            async def left() -> bool:
                rows = await connection.execute("SELECT id FROM item UNION ALL SELECT id FROM unique_value ORDER BY 1")
                return await rows.fetchall() == [("2",), ("2",), ("3",), ("3",)]

            await eventually(left)


# --- faults ---


async def test_throttled_requests_are_tried_again_by_the_sdk(dsn: str) -> None:
    """azure-cosmos `_resource_throttle_retry_policy.py`: as often as allowed, after x-ms-retry-after-ms"""
    async with (
        CosmosServer.start(dsn) as server,
        connected("async", server.url, server.key, retry_throttle_total=3) as client,
    ):
        container = await (await client.create_database("d")).create_container("c", key_path("/pk"))
        server.faults.add(429, count=3, path="dbs/d/colls/c/docs")
        await container.create_item({"id": "1", "pk": "a"})
        server.faults.add(429, count=10, path="dbs/d/colls/c/docs")
        with pytest.raises(CosmosHttpResponseError) as caught:
            await container.read_item("1", "a")
        assert (caught.value.status_code, caught.value.sub_status) == (429, 3200)
        assert server.faults.waiting[0].count == 6
