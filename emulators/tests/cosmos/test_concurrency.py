"""Many writers at once, and long random histories: what a model in memory says is what is read."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError

from emulators.cosmos.server import CosmosServer
from emulators.tests.cosmos.sdk import Sdk, connected, key_path, without_system


@pytest.fixture
async def container(dsn: str) -> AsyncIterator[Sdk]:
    async with CosmosServer.start(dsn) as server, connected("async", server.url, server.key) as client:
        yield await (await client.create_database("d")).create_container("c", key_path("/pk"))


async def test_increments_of_many_writers_all_count(container: Sdk) -> None:
    await container.create_item({"id": "1", "pk": "a", "n": 0})

    async def add() -> None:
        for _ in range(15):
            await container.patch_item("1", "a", [{"op": "incr", "path": "/n", "value": 1}])

    await asyncio.gather(*(add() for _ in range(10)))
    assert (await container.read_item("1", "a"))["n"] == 150


async def test_one_of_many_replacements_of_a_version_succeeds(container: Sdk) -> None:
    item = await container.create_item({"id": "1", "pk": "a", "by": -1})

    async def replace(number: int) -> bool:
        condition = {"etag": item["_etag"], "match_condition": MatchConditions.IfNotModified}
        try:
            await container.replace_item("1", {"id": "1", "pk": "a", "by": number}, **condition)
        except CosmosHttpResponseError as error:
            if error.status_code != 412:
                raise
            return False
        return True

    won = await asyncio.gather(*map(replace, range(12)))
    assert sum(won) == 1
    assert (await container.read_item("1", "a"))["by"] == won.index(True)


async def test_feed_misses_nothing_that_is_written_beside_it(container: Sdk) -> None:
    async def write(writer: int) -> None:
        for number in range(20):
            await container.create_item({"id": f"{writer}-{number}", "pk": f"p{number % 5}"})

    writing = asyncio.gather(*(write(writer) for writer in range(6)))
    seen: list[str] = []
    token: dict[str, Any] = {"start_time": "Beginning"}
    while not writing.done() or len(seen) < 120:
        found = await container.query_items_change_feed(**token)
        seen += [item["id"] for item in found]
        token = {"continuation": container.raw.client_connection.last_response_headers["etag"]}
        if writing.done() and not found:
            break
    await writing
    assert len(seen) == len(set(seen)) == 120


class Model:
    """What the container should hold, by key and id."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def apply(self, kind: str, key: str, name: str, number: int) -> int:
        """The status that the operation should have; changes the model if it succeeds."""
        place, present = (key, name), (key, name) in self.items
        document = {"id": name, "pk": key, "n": number}
        if kind == "create":
            return self._put(place, document, 201) if not present else 409
        if kind == "upsert":
            return self._put(place, document, 200 if present else 201)
        if not present:
            return 404
        if kind == "replace":
            return self._put(place, document, 200)
        if kind == "patch":
            return self._put(place, {**self.items[place], "n": self.items[place]["n"] + number}, 200)
        del self.items[place]
        return 204

    def _put(self, place: tuple[str, str], document: dict[str, Any], status: int) -> int:
        self.items[place] = document
        return status


def batch_operation(kind: str, key: str, name: str, number: int) -> Any:
    document = {"id": name, "pk": key, "n": number}
    arguments = {
        "create": (document,),
        "upsert": (document,),
        "replace": (name, document),
        "patch": (name, [{"op": "incr", "path": "/n", "value": number}]),
        "delete": (name,),
    }
    return kind, arguments[kind]


@pytest.mark.parametrize("seed", range(3))
async def test_random_batches_agree_with_a_model(container: Sdk, seed: int) -> None:
    choices, model = random.Random(seed), Model()
    for _ in range(60):
        key = choices.choice("ab")
        kinds = ("create", "upsert", "upsert", "replace", "patch", "delete")
        steps = [
            (choices.choice(kinds), key, choices.choice("123"), choices.randrange(100))
            for _ in range(choices.randrange(1, 5))
        ]
        attempt = Model()
        attempt.items = dict(model.items)
        expected = [attempt.apply(*step) for step in steps]
        failed = next((place for place, status in enumerate(expected) if status >= 400), None)
        try:
            results = await container.execute_item_batch([batch_operation(*step) for step in steps], key)
        except CosmosBatchOperationError as error:
            outcome: Any = (error.error_index, error.status_code)
        else:
            outcome = [one["statusCode"] for one in results]
            model = attempt
        assert outcome == (expected if failed is None else (failed, expected[failed]))
    stored = [without_system(item) for item in await container.read_all_items()]
    assert sorted(map(str, stored)) == sorted(map(str, model.items.values()))
    feed = [without_system(item) for item in await container.query_items_change_feed(start_time="Beginning")]
    assert sorted(map(str, feed)) == sorted(map(str, model.items.values()))
