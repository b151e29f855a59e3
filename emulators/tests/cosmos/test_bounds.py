"""What a client may not exhaust or confuse: time, memory, connections, signatures."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
from azure.cosmos.exceptions import CosmosHttpResponseError

from emulators.cosmos.limits import Limits
from emulators.cosmos.server import CosmosServer, ServerSettings
from emulators.cosmos.sql.budget import Budget, QueryTooCostlyError
from emulators.cosmos.sql.parser import parse
from emulators.cosmos.sql.program import Collector, compile_query
from emulators.cosmos.sql.syntax import QuerySyntaxError
from emulators.tests.cosmos.sdk import Sdk, connected, key_path

DOCS = "dbs/d/colls/c/docs"


class Raw:
    """Signed requests without an SDK, for what no SDK would send."""

    def __init__(self, server: CosmosServer, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    async def __call__(
        self, method: str, path: str, kind: str, link: str, body: bytes = b"", *, late_s: float = 0.0, **headers: str
    ) -> tuple[int, Any]:
        date = formatdate(time.time() - late_s, usegmt=True)
        text = f"{method.lower()}\n{kind}\n{link}\n{date.lower()}\n\n".encode()
        digest = hmac.new(base64.b64decode(self._server.key), text, hashlib.sha256).digest()
        token = quote(f"type=master&ver=1.0&sig={base64.b64encode(digest).decode()}", safe="")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method, self._server.url + path, data=body, headers={"authorization": token, "x-ms-date": date, **given}
        ) as response:
            return response.status, orjson.loads(await response.read() or b"{}")

    async def post(self, body: bytes, **headers: str) -> tuple[int, Any]:
        """To the items of the container."""
        return await self("POST", DOCS, "docs", "dbs/d/colls/c", body, **headers)

    async def query(self, text: str, parameters: list[Any] | None = None) -> tuple[int, Any]:
        """On the partition `a`."""
        body = orjson.dumps({"query": text, "parameters": parameters or []})
        return await self.post(body, x_ms_documentdb_isquery="true", x_ms_documentdb_partitionkey='["a"]')


@pytest.fixture
async def server(dsn: str) -> AsyncIterator[CosmosServer]:
    async with CosmosServer.start(dsn) as running:
        yield running


@pytest.fixture
async def container(server: CosmosServer) -> AsyncIterator[Sdk]:
    async with connected("async", server.url, server.key) as client:
        yield await (await client.create_database("d")).create_container("c", key_path("/pk"))


@pytest.fixture
async def raw(server: CosmosServer, container: Sdk) -> AsyncIterator[Raw]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Raw(server, session)


async def test_request_signed_too_long_ago_is_refused(raw: Raw) -> None:
    assert (await raw("GET", "dbs", "dbs", "", late_s=600))[0] == 200
    assert (await raw("GET", "dbs", "dbs", "", late_s=1200))[0] == 403
    assert (await raw("GET", "dbs", "dbs", "", late_s=-1200))[0] == 403
    status, body = await raw("GET", "dbs", "colls", "")
    assert (status, body["code"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"id": "1", "pk": "a", "n": NaN}',
        b'{"id": "1", "pk": "a", "n": 1e999}',
        b'{"id": "1", "pk": "\\ud800"}',
        b'{"id": "1", "pk": "a", "n": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"id": "1", "pk": "a", "n": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"id": "1", "pk": ["a"]}',
        b'{"id": "1", "pk": "' + b"x" * 2100 + b'"}',
        b'{"id": "\xff", "pk": "a"}',
    ],
)
async def test_document_that_cannot_be_kept_is_refused(raw: Raw, body: bytes) -> None:
    status, answer = await raw.post(body, x_ms_documentdb_partitionkey='["a"]')
    assert (status, answer["code"]) == (400, "BadRequest")


@pytest.mark.parametrize("key", ["a", "{}", '["a"', '[["a"]]', '["a","b"]', "[1e999]", "[", '["' + "x" * 9000 + '"]'])
async def test_partition_key_that_is_none_is_refused(raw: Raw, key: str) -> None:
    status, answer = await raw.post(b'{"id": "1", "pk": "a"}', x_ms_documentdb_partitionkey=key)
    assert (status, answer["code"]) == (400, "BadRequest")


async def test_body_beyond_the_bound_is_not_read(raw: Raw) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536

    body: Any = endless()
    for given in (b" " * (5 << 20), body):
        try:
            status, _ = await raw.post(given, x_ms_documentdb_partitionkey='["a"]')
        except aiohttp.ClientError:
            continue  # refused and closed while it was still being sent
        assert status == 413


HOSTILE = [
    "SELECT VALUE " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT VALUE " + "NOT " * 3000 + "true",
    "SELECT VALUE " + "-" * 3 + "1" + "+1" * 30_000,
    "SELECT VALUE " + "[" * 3000 + "]" * 3000,
    "SELECT * FROM c WHERE " + " ".join(["c.a = 1 AND (c.b = 2 OR "] * 900) + "true" + ")" * 900,
    "SELECT VALUE c" + "[0]" * 5000 + " FROM c",
    "SELECT VALUE 1 FROM c WHERE " + "EXISTS(SELECT 1 FROM c WHERE " * 200 + "true" + ")" * 200,
    "SELECT VALUE 'x" + "\\'" * 200_000,
    "SELECT " + "a" * (513 * 1024),
    "SELECT * FROM c JOIN " + " JOIN ".join(f"t{n} IN c.t" for n in range(12)),
]


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
async def test_query_that_is_too_deep_or_too_long_is_refused(raw: Raw, query: str) -> None:
    started = time.monotonic()
    status, answer = await raw.query(query)
    assert (status, answer["code"]) == (400, "BadRequest")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "query",
    [
        "SELECT VALUE COUNT(1) FROM c JOIN a IN c.l JOIN b IN c.l JOIN d IN c.l",
        "SELECT VALUE REPLACE(REPLACE(REPLACE(c.s, 'x', c.s), 'x', c.s), 'x', c.s) FROM c",
        "SELECT VALUE COUNT(1) FROM c JOIN a IN c.l WHERE c.s LIKE '%x%x%x%x%x%x%x%y'",
        "SELECT VALUE COUNT(1) FROM c JOIN a IN c.l WHERE ARRAY_CONTAINS(c.l, -1)",
    ],
)
def test_query_that_would_take_for_ever_is_cut(query: str) -> None:
    document = {"l": list(range(2000)), "s": "x" * 5000}
    program = compile_query(parse(query), {}, Budget())
    started = time.monotonic()
    with pytest.raises(QueryTooCostlyError):
        Collector(program).add(program.row(document))
    assert time.monotonic() - started < 10


def test_long_chain_of_conditions_is_no_deep_tree() -> None:
    choices = " OR ".join(f"c.n = {number}" for number in range(2000))
    program = compile_query(parse(f"SELECT * FROM c WHERE {choices}"), {})
    assert list(program.results({"n": 1999}))
    with pytest.raises(QuerySyntaxError):
        parse("SELECT VALUE " + " + ".join(["1"] * 1000))


async def test_parameters_are_bounded(raw: Raw) -> None:
    many = [{"name": f"@p{number}", "value": 1} for number in range(3000)]
    assert (await raw.query("SELECT * FROM c", many))[0] == 400
    assert (await raw.query("SELECT * FROM c", [{"value": 1}]))[0] == 400


async def test_scan_gives_an_empty_page_and_goes_on(raw: Raw, container: Sdk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulators.cosmos.queries.MAX_SCANNED_BYTES", 1000)
    monkeypatch.setattr("emulators.cosmos.scope._CHUNK_ITEMS", 3)
    for number in range(12):
        await container.create_item({"id": str(number), "pk": "a", "text": "x" * 500})
    query = "SELECT VALUE c.id FROM c WHERE ENDSWITH(c.id, '11')"
    assert (await raw.query(query))[1]["_count"] == 0
    assert await container.query_items(query, partition_key="a") == ["11"]


async def test_pages_stay_below_four_megabytes(container: Sdk) -> None:
    for number in range(6):
        await container.create_item({"id": str(number), "pk": "a", "text": "x" * 1_500_000})
    page, token = await container.page("SELECT * FROM c", partition_key="a")
    assert len(page) == 2
    assert token
    assert len(await container.query_items("SELECT * FROM c", partition_key="a")) == 6
    feed = await container.query_items_change_feed(start_time="Beginning", partition_key="a")
    assert len(feed) == 6


@pytest.mark.parametrize("path", ["dbs/%ff", "dbs/d/colls", "x", "dbs/d/users", "dbs/d/colls/c/sprocs", "%2e%2e/etc"])
async def test_unknown_path_is_answered(raw: Raw, path: str) -> None:
    status, answer = await raw("PATCH", path, "dbs", "")
    assert status in (400, 401, 404)
    assert answer["code"]


async def test_idle_connection_gives_way_to_a_new_one(dsn: str) -> None:
    limits = Limits(max_connections=3)
    async with CosmosServer.start(dsn, ServerSettings(limits=limits)) as server:
        idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(10)]
        async with connected("async", server.url, server.key) as client:
            assert await client.list_databases() == []
        for _, writer in idle:
            writer.close()


async def test_fault_switch_needs_a_key_of_the_account(server: CosmosServer) -> None:
    url = f"{server.url}_emulator/faults"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"status": 429}) as refused:
            assert refused.status == 401
        headers = {"authorization": f"Bearer {server.key}"}
        fault = {"status": 429, "count": 1, "retryAfterMs": 5}
        async with session.post(url, json=fault, headers=headers) as set_up:
            assert (await set_up.json())["faults"][0]["subStatus"] == 3200
        async with session.post(url, json={"status": 200}, headers=headers) as refused:
            assert refused.status == 400
        async with session.delete(url, headers=headers) as cleared:
            assert (await cleared.json())["faults"] == []


async def test_broken_continuation_of_the_feed_is_refused(raw: Raw) -> None:
    given = {"A_IM": "Incremental Feed", "x_ms_documentdb_partitionkeyrangeid": "0"}
    for token in ("x", '"-1"', '"99999999999999999999"'):
        status, _ = await raw("GET", DOCS, "docs", "dbs/d/colls/c", If_None_Match=token, **given)
        assert status == 400
    missing = {**given, "x_ms_documentdb_partitionkeyrangeid": "7"}
    assert (await raw("GET", DOCS, "docs", "dbs/d/colls/c", **missing))[0] == 410


async def test_deleted_container_leaves_nothing_to_read(container: Sdk, server: CosmosServer) -> None:
    await container.create_item({"id": "1", "pk": "a"})
    async with connected("async", server.url, server.key) as client:
        database = Sdk(client.raw.get_database_client("d"), is_async=True)
        await database.delete_container("c")
        with pytest.raises(CosmosHttpResponseError) as caught:
            await container.read_item("1", "a")
        assert caught.value.status_code == 404
