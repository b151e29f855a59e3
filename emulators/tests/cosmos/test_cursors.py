"""Results kept for later pages: found again, bounded, and replaced by work when they are gone."""

import pytest

from emulators.cosmos.cursors import Cursors
from emulators.cosmos.server import CosmosServer
from emulators.tests.cosmos.sdk import connected, key_path


def test_the_longest_unasked_results_give_way() -> None:
    cursors = Cursors(most_bytes=100)
    numbers = [cursors.keep([b"x" * 24]) for _ in range(4)]
    assert cursors.find(numbers[0])
    cursors.keep([b"x" * 24])
    assert [cursors.find(number) is not None for number in numbers] == [True, False, True, True]
    assert cursors.find(cursors.keep([b"x" * 30])) is None


@pytest.mark.parametrize("kept_s", [60.0, 0.0], ids=["kept", "lost"])
async def test_sorted_pages_join_with_and_without_kept_results(
    dsn: str, monkeypatch: pytest.MonkeyPatch, kept_s: float
) -> None:
    monkeypatch.setattr("emulators.cosmos.cursors._KEPT_S", kept_s)
    async with CosmosServer.start(dsn) as server, connected("async", server.url, server.key) as client:
        container = await (await client.create_database("d")).create_container("c", key_path("/pk"))
        for number in range(10):
            await container.create_item({"id": str(number), "pk": "a"})
        query = "SELECT VALUE c.id FROM c ORDER BY c.id DESC"
        first, token = await container.page(query, partition_key="a", max_item_count=4)
        await container.delete_item("0", "a")
        second, token = await container.page(query, partition_key="a", max_item_count=4, token=token)
        assert first + second == list("98765432")
        last, _ = await container.page(query, partition_key="a", max_item_count=4, token=token)
        assert last == (["1", "0"] if kept_s else ["1"])
