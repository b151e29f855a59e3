"""The real SDK, synchronous and asynchronous, behind one form: each call is awaited and gives all of its results."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from azure.core.async_paging import AsyncItemPaged
from azure.core.paging import ItemPaged
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey
from azure.cosmos.aio import ContainerProxy as AsyncContainerProxy
from azure.cosmos.aio import CosmosClient as AsyncCosmosClient
from azure.cosmos.aio import DatabaseProxy as AsyncDatabaseProxy

KINDS = ("sync", "async")
_PROXIES = (ContainerProxy, DatabaseProxy, AsyncContainerProxy, AsyncDatabaseProxy)


class Sdk:
    """A client, database or container of either kind; `raw` is the SDK's own object."""

    def __init__(self, raw: Any, *, is_async: bool) -> None:
        self.raw = raw
        self.is_async = is_async

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self.raw, name)
        if not callable(call):
            return call

        async def called(*arguments: Any, **options: Any) -> Any:
            if name == "query_items" and not self.is_async and "partition_key" not in options:
                # The asynchronous client always allows it.
                options.setdefault("enable_cross_partition_query", True)
            if not self.is_async:
                return self._wrapped(await asyncio.to_thread(_listed, call, arguments, options))
            found = call(*arguments, **options)
            if isinstance(found, AsyncItemPaged):
                return [one async for one in found]
            return self._wrapped(await found if inspect.isawaitable(found) else found)

        return called

    async def page(self, *arguments: Any, token: str | None = None, **options: Any) -> tuple[list[Any], str | None]:
        """One page of a query, and the continuation token when there is more."""
        pager = self.raw.query_items(*arguments, **options).by_page(token)
        if self.is_async:
            page = await anext(pager, None)
            return [] if page is None else [one async for one in page], pager.continuation_token
        page = await asyncio.to_thread(lambda: next(pager, None))
        return list(page or ()), pager.continuation_token

    def _wrapped(self, found: Any) -> Any:
        return Sdk(found, is_async=self.is_async) if isinstance(found, _PROXIES) else found


def _listed(call: Callable[..., Any], arguments: Any, options: Any) -> Any:
    found = call(*arguments, **options)
    return list(found) if isinstance(found, ItemPaged) else found


@asynccontextmanager
async def connected(kind: str, url: str, key: str, **options: Any) -> AsyncIterator[Sdk]:
    """A client of one kind."""
    if kind == "async":
        async with AsyncCosmosClient(url, key, **options) as client:
            yield Sdk(client, is_async=True)
        return
    client = await asyncio.to_thread(lambda: CosmosClient(url, key, **options))
    yield Sdk(client, is_async=False)


def key_path(*paths: str) -> PartitionKey:
    """A partition key of one path, or of a hierarchy."""
    return PartitionKey(paths[0]) if len(paths) == 1 else PartitionKey(list(paths), kind="MultiHash")


def ids(items: list[dict[str, Any]]) -> list[str]:
    """The ids of items, in their order."""
    return [item["id"] for item in items]


def without_system(item: dict[str, Any]) -> dict[str, Any]:
    """An item as it was sent."""
    return {name: value for name, value in item.items() if not name.startswith("_")}
