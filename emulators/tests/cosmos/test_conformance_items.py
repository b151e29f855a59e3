"""Databases, containers and items, as Azure's documentation and the SDK say of them; each case with its source."""

import uuid

import pytest
from azure.core import MatchConditions
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from emulators.cosmos.server import CosmosServer
from emulators.tests.cosmos.sdk import KINDS, Sdk, connected, ids, key_path, without_system


async def test_databases_are_created_listed_and_deleted(client: Sdk) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/databases"""
    name = f"db-{uuid.uuid4().hex}"
    await client.create_database(name)
    with pytest.raises(CosmosResourceExistsError):
        await client.create_database(name)
    await client.create_database_if_not_exists(name)
    assert name in ids(await client.list_databases())
    parameters = [{"name": "@id", "value": name}]
    found = await client.query_databases(query="SELECT * FROM r WHERE r.id = @id", parameters=parameters)
    assert ids(found) == [name]
    await client.delete_database(name)
    with pytest.raises(CosmosResourceNotFoundError):
        await client.delete_database(name)


async def test_container_keeps_what_it_was_declared_with(database: Sdk) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/create-a-collection"""
    policy = {"indexingMode": "consistent", "includedPaths": [{"path": "/day/?"}], "excludedPaths": [{"path": "/*"}]}
    unique = {"uniqueKeys": [{"paths": ["/email"]}]}
    made = await database.create_container(
        "people", key_path("/org"), indexing_policy=policy, default_ttl=60, unique_key_policy=unique
    )
    read = await made.read()
    assert (read["indexingPolicy"], read["defaultTtl"], read["uniqueKeyPolicy"]) == (policy, 60, unique)
    assert read["partitionKey"] == {"paths": ["/org"], "kind": "Hash", "version": 2}
    assert ids(await database.list_containers()) == ["people"]
    await database.delete_container("people")
    assert await database.list_containers() == []


async def test_replaced_container_changes_its_time_to_live(database: Sdk) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/replace-a-collection"""
    await database.create_container("c", key_path("/pk"))
    changed = await database.replace_container("c", key_path("/pk"), default_ttl=-1)
    assert (await changed.read())["defaultTtl"] == -1
    with pytest.raises(CosmosHttpResponseError, match="partitionKey"):
        await database.replace_container("c", key_path("/other"))


async def test_throughput_is_kept_for_whoever_asks(database: Sdk) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/offers"""
    made = await database.create_container("c", key_path("/pk"), offer_throughput=1000)
    assert (await made.get_throughput()).offer_throughput == 1000
    assert (await made.replace_throughput(2000)).offer_throughput == 2000
    assert (await (await database.create_container("d", key_path("/pk"))).get_throughput()).offer_throughput == 400


async def test_containers_share_what_their_database_was_given(client: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/set-throughput#set-throughput-on-a-database"""
    name = f"db-{uuid.uuid4().hex}"
    database = await client.create_database(name, offer_throughput=1000)
    assert (await database.get_throughput()).offer_throughput == 1000
    assert (await database.replace_throughput(1500)).offer_throughput == 1500
    await database.create_container("shared", key_path("/pk"))
    own = await database.create_container("own", key_path("/pk"), offer_throughput=700)
    assert (await own.get_throughput()).offer_throughput == 700
    await client.delete_database(name)


async def test_item_is_created_read_replaced_and_deleted(container: Sdk) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/documents"""
    item = {"id": "1", "pk": "a", "text": "grüße \U0001f4c8", "nested": {"list": [1, None, True]}}
    created = await container.create_item(item)
    assert without_system(created) == item
    assert created.keys() >= {"_rid", "_self", "_etag", "_ts", "_attachments"}
    assert await container.read_item("1", "a") == created
    replaced = await container.replace_item("1", {"id": "1", "pk": "a", "text": "new"})
    assert without_system(replaced) == {"id": "1", "pk": "a", "text": "new"}
    assert replaced["_rid"] == created["_rid"]
    assert replaced["_etag"] != created["_etag"]
    await container.delete_item("1", "a")
    with pytest.raises(CosmosResourceNotFoundError):
        await container.read_item("1", "a")
    with pytest.raises(CosmosResourceNotFoundError):
        await container.replace_item("1", item)


async def test_same_id_exists_once_in_each_partition(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/resource-model#properties-of-an-item"""
    await container.create_item({"id": "1", "pk": "a"})
    await container.create_item({"id": "1", "pk": "b"})
    with pytest.raises(CosmosResourceExistsError):
        await container.create_item({"id": "1", "pk": "a"})


async def test_keys_of_other_types_are_other_keys(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/partitioning-overview: a key is a string, number, boolean or null."""
    keys = ["1", 1, True, None, ""]
    for key in keys:
        await container.create_item({"id": "x", "pk": key})
    await container.create_item({"id": "x"})
    for key in keys:
        assert (await container.read_item("x", key))["pk"] == key
    assert "pk" not in (await container.query_items("SELECT * FROM c WHERE NOT IS_DEFINED(c.pk)"))[0]
    assert (await container.read_item("x", 1.0))["pk"] == 1


async def test_upsert_creates_and_then_replaces(container: Sdk) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/create-a-document: x-ms-documentdb-is-upsert"""
    first = await container.upsert_item({"id": "1", "pk": "a", "n": 1})
    second = await container.upsert_item({"id": "1", "pk": "a", "n": 2})
    assert (first["_rid"], second["n"]) == (second["_rid"], 2)


async def test_changed_item_is_not_overwritten_by_an_old_version(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/database-transactions-optimistic-concurrency"""
    old = await container.create_item({"id": "1", "pk": "a", "n": 1})
    new = await container.replace_item(
        "1", {"id": "1", "pk": "a", "n": 2}, etag=old["_etag"], match_condition=MatchConditions.IfNotModified
    )
    stale = {"etag": old["_etag"], "match_condition": MatchConditions.IfNotModified}
    for attempt in (
        container.replace_item("1", {"id": "1", "pk": "a", "n": 3}, **stale),
        container.upsert_item({"id": "1", "pk": "a", "n": 3}, **stale),
        container.delete_item("1", "a", **stale),
        container.patch_item("1", "a", [{"op": "set", "path": "/n", "value": 3}], **stale),
    ):
        with pytest.raises(CosmosAccessConditionFailedError):
            await attempt
    assert await container.read_item("1", "a") == new


async def test_unchanged_item_is_not_sent_again(container: Sdk) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/get-a-document: If-None-Match, 304"""
    item = await container.create_item({"id": "1", "pk": "a"})
    known = {"etag": item["_etag"], "match_condition": MatchConditions.IfModified}
    assert not await container.read_item("1", "a", **known)
    changed = await container.upsert_item({"id": "1", "pk": "a", "n": 1})
    assert await container.read_item("1", "a", **known) == changed


@pytest.mark.parametrize("bad", ["a/b", "a\\b", "a?b", "a#b", "x" * 1024, "", 5, None])
async def test_id_that_fits_no_address_is_refused(container: Sdk, bad: object) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-item-limits"""
    with pytest.raises((CosmosHttpResponseError, ValueError, TypeError)):
        await container.create_item({"id": bad, "pk": "a"})
    assert await container.read_all_items() == []


async def test_unusual_ids_and_keys_are_found_again(container: Sdk) -> None:
    """azure-cosmos `_base.GetItemLink` quotes ids; the signature is made over the id itself."""
    for name in ("a b", "a%2Fb", "ü", "+&=", "1:2", "a'b\"c", "\U0001f600"):
        await container.create_item({"id": name, "pk": name})
        assert (await container.read_item(name, name))["id"] == name


async def test_numbers_are_doubles_and_nul_is_kept(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/query/constants: numbers are IEEE 754 doubles"""
    item = {"id": "1", "pk": "\u0000k", "big": 2**53 + 1, "whole": 1.0, "small": 0.1, "text": "a\u0000b", "far": 1e300}
    await container.create_item(item)
    read = await container.read_item("1", "\u0000k")
    assert (read["big"], read["whole"], read["small"], read["text"]) == (2**53, 1, 0.1, "a\u0000b")
    assert isinstance(read["whole"], int)
    assert await container.query_items("SELECT VALUE c.text FROM c WHERE c.text = 'a\\u0000b'") == ["a\u0000b"]


async def test_item_of_two_megabytes_is_the_largest(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-item-limits"""
    await container.create_item({"id": "1", "pk": "a", "text": "x" * (2 * 1024 * 1024 - 1000)})
    with pytest.raises(CosmosHttpResponseError) as caught:
        await container.create_item({"id": "2", "pk": "a", "text": "x" * (2 * 1024 * 1024)})
    assert caught.value.status_code == 413


async def test_unique_key_holds_within_a_partition(database: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/unique-keys"""
    people = await database.create_container(
        "people", key_path("/pk"), unique_key_policy={"uniqueKeys": [{"paths": ["/name", "/mail"]}]}
    )
    await people.create_item({"id": "1", "pk": "a", "name": "x", "mail": "m"})
    await people.create_item({"id": "2", "pk": "b", "name": "x", "mail": "m"})
    await people.create_item({"id": "3", "pk": "a", "name": "x"})
    for attempt in (
        people.create_item({"id": "4", "pk": "a", "name": "x", "mail": "m"}),
        people.upsert_item({"id": "4", "pk": "a", "name": "x", "mail": None}),
        people.patch_item("3", "a", [{"op": "set", "path": "/mail", "value": "m"}]),
    ):
        with pytest.raises(CosmosHttpResponseError) as caught:
            await attempt
        assert caught.value.status_code == 409
    await people.patch_item("1", "a", [{"op": "set", "path": "/mail", "value": "free again"}])
    await people.create_item({"id": "4", "pk": "a", "name": "x", "mail": "m"})
    await people.delete_item("4", "a")
    await people.create_item({"id": "5", "pk": "a", "name": "x", "mail": "m"})


async def test_hierarchical_key_is_read_whole_and_by_prefix(database: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/hierarchical-partition-keys"""
    container = await database.create_container("h", key_path("/tenant", "/user"))
    for tenant in ("t1", "t2"):
        for user in ("u1", "u2", "u3"):
            await container.create_item({"id": user, "tenant": tenant, "user": user})
    assert (await container.read_item("u2", ["t1", "u2"]))["tenant"] == "t1"
    found = await container.query_items("SELECT * FROM c", partition_key=["t2"])
    assert sorted((one["tenant"], one["user"]) for one in found) == [("t2", "u1"), ("t2", "u2"), ("t2", "u3")]


async def test_all_items_of_a_key_are_deleted_together(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/how-to-delete-by-partition-key"""
    for number in range(5):
        await container.create_item({"id": str(number), "pk": "ab"[number % 2]})
    await container.delete_all_items_by_partition_key("a")
    assert ids(await container.read_all_items()) == ["1", "3"]


async def test_answer_without_content_still_has_its_version(container: Sdk) -> None:
    """azure-cosmos `no_response=True`: Prefer: return=minimal"""
    answered = await container.create_item({"id": "1", "pk": "a"}, no_response=True)
    assert dict(answered) == {}
    assert (await container.read_item("1", "a"))["id"] == "1"


async def test_request_charge_grows_with_size(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/request-units: a read of 1 KB costs 1, a write about five"""
    charges = []
    for size in (100, 100 * 1024):
        written = await container.upsert_item({"id": "1", "pk": "a", "text": "x" * size})
        read = await container.read_item("1", "a")
        charges.append(tuple(float(one.get_response_headers()["x-ms-request-charge"]) for one in (read, written)))
    assert charges[0] == (1.0, 5.0)
    assert charges[1][0] == pytest.approx(10, rel=0.05)


async def test_session_token_names_the_last_write(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/how-to-manage-consistency#utilize-session-tokens"""
    written = await container.create_item({"id": "1", "pk": "a"})
    token = written.get_response_headers()["x-ms-session-token"]
    assert (await container.read_item("1", "a", session_token=token))["id"] == "1"
    ahead = token.rpartition("#")[0] + "#999999"
    with pytest.raises(CosmosResourceNotFoundError) as caught:
        await container.read_item("1", "a", session_token=ahead)
    assert caught.value.sub_status == 1002


@pytest.mark.parametrize("kind", KINDS)
async def test_wrong_key_is_refused(shared_server: CosmosServer, kind: str) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources"""
    with pytest.raises(CosmosHttpResponseError) as caught:
        async with connected(kind, shared_server.url, "d3Jvbmc=") as client:
            await client.list_databases()
    assert caught.value.status_code == 401


async def test_container_created_anew_is_found_by_old_clients(database: Sdk) -> None:
    """azure-cosmos `_container_recreate_retry_policy.py`: 400 with sub-status 1024 makes it read the container again"""
    old = await database.create_container("c", key_path("/pk"))
    await old.create_item({"id": "1", "pk": "a"})
    await database.delete_container("c")
    await database.create_container("c", key_path("/pk"))
    await old.create_item({"id": "1", "pk": "a"})
    assert ids(await old.read_all_items()) == ["1"]
