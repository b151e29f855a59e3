"""The emulator as a whole.

async with CosmosServer.start(dsn) as server:
    client = CosmosClient(server.url, server.key)
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate

import orjson
import structlog
from aiohttp import web

from emulators.cosmos.auth import AccountKeys
from emulators.cosmos.catalog import Catalog
from emulators.cosmos.continuations import Continuations
from emulators.cosmos.declarations import declare
from emulators.cosmos.documents import Document
from emulators.cosmos.errors import CosmosError
from emulators.cosmos.exchange import Answer, Request
from emulators.cosmos.expiry import purge_for_ever
from emulators.cosmos.faults import Faults
from emulators.cosmos.limits import MAX_BODY_BYTES, MAX_HEADER_BYTES, Limits
from emulators.cosmos.routes import Routes
from emulators.cosmos.store import Store
from emulators.processes.background import Background
from emulators.processes.http_connections import HttpConnections

_log = structlog.get_logger(__name__)

DEFAULT_KEY = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
"""The well-known key of Microsoft's own emulators."""
_REQUEST_TIMEOUT_S = 60.0
_DRAIN_S = 5.0
_ACTIVITY = re.compile(r"[0-9a-fA-F-]{1,36}")
_VERSION = "2020-07-15"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server is bounded and reached. `ranges` is how many physical partitions new containers show."""

    host: str = "127.0.0.1"
    port: int = 0
    keys: tuple[str, ...] = (DEFAULT_KEY,)
    ranges: int = 2
    limits: Limits = field(default_factory=Limits)
    databases: tuple[Document, ...] = ()
    """What exists from the start, see `declarations`."""


class CosmosServer:
    """Listens for HTTP and answers as an account of Cosmos DB for NoSQL does."""

    def __init__(self, store: Store, settings: ServerSettings) -> None:
        self.settings = settings
        self.port = settings.port
        self.faults = Faults()
        self._store = store
        self._keys = AccountKeys(settings.keys, settings.limits.clock_skew_s)
        self._catalog = Catalog(store, settings.ranges)
        self._routes = Routes(store, self._catalog, Continuations(self._keys.secret), self._keys, self.faults)
        self._background = Background()
        self._http = web.Server(
            self._handle,
            access_log=None,
            keepalive_timeout=settings.limits.idle_timeout_s * 2,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        self._connections = HttpConnections(
            self._http, limit=settings.limits.max_connections, idle_s=settings.limits.idle_timeout_s
        )

    @classmethod
    @asynccontextmanager
    async def start(cls, dsn: str, settings: ServerSettings | None = None) -> "AsyncIterator[CosmosServer]":
        """Serve the database `dsn` until the block ends. Raises StoreError, DeclarationError, ValueError, OSError."""
        settings = settings or ServerSettings()
        store = Store(dsn, settings.limits.statement_timeout_s)
        server = cls(store, settings)
        tasks: list[asyncio.Task[None]] = []
        try:
            await store.open()
            await server._catalog.load()
            await declare(server._catalog, list(settings.databases))
            tasks.append(server._background.start(store.keep_ownership(), "ownership"))
            tasks.append(server._background.start(purge_for_ever(store, server._catalog), "expiry"))
            server.port = await server._connections.listen(settings.host, settings.port, None)
            yield server
        finally:
            server._connections.stop_listening()
            await server._http.shutdown(_DRAIN_S)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await store.close()

    @property
    def url(self) -> str:
        """The account's endpoint."""
        return f"http://{self.settings.host}:{self.port}/"

    @property
    def key(self) -> str:
        """A key of the account."""
        return self.settings.keys[0]

    async def wait_failed(self) -> None:
        """Raise what ended a task that the server cannot do without."""
        raise await self._background.failed

    # --- requests ---------------------------------------------------------------------------------------------------

    async def _handle(self, http: web.BaseRequest) -> web.Response:
        activity = http.headers.get("x-ms-activity-id", "")
        if not _ACTIVITY.fullmatch(activity):
            activity = str(uuid.uuid4())
        self._connections.serving(http, begins=True)
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                answer = await self._answer(http)
        except CosmosError as error:
            answer = _refusal(error, activity)
        except TimeoutError:
            answer = _refusal(CosmosError(408, "The request took too long."), activity)
        except Exception as error:  # noqa: BLE001 - one request's fault is answered and ends no other
            _log.error("A request failed", exc_info=error)
            answer = _refusal(CosmosError(500, "An unexpected fault of the emulator; see its log."), activity)
        finally:
            self._connections.serving(http, begins=False)
        return _response(answer, activity)

    async def _answer(self, http: web.BaseRequest) -> Answer:
        body = await _body(http)
        request = Request(http.method, Request.segments_of(http.rel_url.raw_path), http.headers, body, http.host)
        return await self._routes.answer(request)


async def _body(http: web.BaseRequest) -> bytes:
    """Raises CosmosError (413) past the bound, however the length was declared."""
    too_large = CosmosError(413, f"Request size is too large: at most {MAX_BODY_BYTES} bytes are taken.")
    if (http.content_length or 0) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    async for chunk in http.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return bytes(body)


def _refusal(error: CosmosError, activity: str) -> Answer:
    message = f"{error.message}\r\nActivityId: {activity}, Azure Cosmos DB emulator"
    headers = {**error.headers, "x-ms-substatus": str(error.sub_status)}
    return Answer(error.status, orjson.dumps({"code": error.code, "message": message}), headers)


def _response(answer: Answer, activity: str) -> web.Response:
    headers = {
        "x-ms-request-charge": f"{answer.charge:g}",
        "x-ms-activity-id": activity,
        "x-ms-version": _VERSION,
        "x-ms-gatewayversion": "version=2.14.0",
        "Date": formatdate(usegmt=True),
        **answer.headers,
    }
    content_type = "application/json" if answer.body else None
    return web.Response(status=answer.status, body=answer.body, headers=headers, content_type=content_type)
