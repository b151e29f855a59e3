"""The service's REST API: sending, groups, and letting clients in. Every call has a bounded wait, and after a failure
none is made for a second, so that the service's absence costs callers nothing."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote
from uuid import UUID

import aiohttp
import orjson

from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.redis.client import Breaker
from shared.adapters.signalr.credentials import AccessKey, Credentials, Identity
from shared.domain.errors import UnavailableError
from shared.domain.push import Hub
from shared.json_values import Json
from shared.ports.push import HubAccess

_TIMEOUT: Final = aiohttp.ClientTimeout(total=2.0, connect=1.0)
_MOST_AT_ONCE: Final = 64
_VERSION: Final = "2022-06-01"
_VERSION_OF_MEMBERS: Final = "2024-12-01"
"""The first that lists a group's connections."""
_GROUP_OF_USER_S: Final = 60
_MOST_OF_A_USER: Final = 200
_JSON: Final = {"Content-Type": "application/json"}
_FAILED: Final = (aiohttp.ClientError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where the service is; `client_endpoint` is what clients use."""

    endpoint: str
    client_endpoint: str
    credentials: Credentials

    @classmethod
    def parsed(
        cls, connection: str | None, service_uri: str | None, identity: ManagedIdentity
    ) -> "ServiceAddress | None":
        """From `Endpoint=...;AccessKey=...;Version=1.0;`, or from the address alone, which the managed identity opens;
        None without both. Raises ValueError for a connection string that is incomplete."""
        if connection:
            parts = {
                name.strip().lower(): value.strip()
                for name, _, value in (part.partition("=") for part in connection.split(";") if part.strip())
            }
            endpoint, key = parts.get("endpoint", "").rstrip("/"), parts.get("accesskey", "")
            if not endpoint or not key:
                raise ValueError("SIGNALR_CONNECTION must be a connection string with Endpoint and AccessKey")
            endpoint += f":{parts['port']}" if "port" in parts else ""
            client_endpoint = parts.get("clientendpoint", endpoint).rstrip("/")
            return cls(endpoint, client_endpoint, AccessKey(key, client_endpoint))
        if service_uri:
            endpoint = service_uri.rstrip("/")
            return cls(endpoint, endpoint, Identity(identity))
        return None


class RefusedError(Exception):
    """The service does not take this message, at no time; what it said is its status."""


class SignalRService:
    """One process's connections to the service. Every call raises UnavailableError when it does not answer."""

    def __init__(self, address: ServiceAddress) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None
        self._breaker = Breaker()

    async def admit(self, hub: Hub, user_id: UUID, roles: Collection[str]) -> HubAccess:
        """See `Hubs.admit`."""
        token = await self._address.credentials.client_token(hub, str(user_id), roles, self._ask)
        return HubAccess(f"{self._address.client_endpoint}/client/?hub={hub}", token)

    async def send_to_user(self, hub: Hub, user_id: UUID, target: str, *arguments: object) -> None:
        """Call `target` on every client of the user. Raises RefusedError."""
        await self._send(f"/api/hubs/{hub}/users/{user_id}/:send", target, arguments)

    async def send_to_group(self, hub: Hub, group: str, target: str, *arguments: object) -> None:
        """Call `target` on every client of the group. Raises RefusedError."""
        await self._send(f"/api/hubs/{hub}/groups/{_segment(group)}/:send", target, arguments)

    async def has_clients(self, hub: Hub, user_id: UUID) -> bool:
        """Whether a client of the user is connected."""
        return await self._call("HEAD", f"/api/hubs/{hub}/users/{user_id}") == HTTPStatus.OK

    async def connections_of(self, hub: Hub, user_id: UUID) -> set[str]:
        """Ids of the user's connections."""
        group = f"u:{user_id}"
        await self._call("PUT", f"/api/hubs/{hub}/users/{user_id}/groups/{_segment(group)}?ttl={_GROUP_OF_USER_S}")
        path = f"/api/hubs/{hub}/groups/{_segment(group)}/connections?top={_MOST_OF_A_USER}"
        _, content = await self._answer("GET", path, None, _VERSION_OF_MEMBERS)
        members = orjson.loads(content)["value"]
        return {each["connectionId"] for each in members if each["userId"] == str(user_id)}

    async def join(self, hub: Hub, group: str, connection_id: str) -> bool:
        """Put a connection into a group; False when there is no such connection."""
        return await self._change(hub, "PUT", group, connection_id)

    async def leave(self, hub: Hub, group: str, connection_id: str) -> bool:
        """Take a connection out of a group; False when there is no such connection."""
        return await self._change(hub, "DELETE", group, connection_id)

    async def leave_all(self, hub: Hub, connection_id: str) -> None:
        """Take a connection out of all groups."""
        await self._call("DELETE", f"/api/hubs/{hub}/connections/{_segment(connection_id)}/groups")

    async def _change(self, hub: Hub, method: str, group: str, connection_id: str) -> bool:
        path = f"/api/hubs/{hub}/groups/{_segment(group)}/connections/{_segment(connection_id)}"
        return await self._call(method, path) != HTTPStatus.NOT_FOUND

    async def ping(self) -> None:
        """Ask for one answer."""
        await self._call("HEAD", "/api/health")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, path: str, target: str, arguments: Sequence[object]) -> None:
        body = orjson.dumps({"target": target, "arguments": arguments})
        await self._call("POST", path, body)

    async def _ask(self, method: str, path: str) -> Json:
        """The JSON of an answer."""
        answer: Json = orjson.loads((await self._answer(method, path, None))[1])
        return answer

    async def _call(self, method: str, path: str, body: bytes | None = None) -> int:
        """The status: a 2xx, or 404 for what does not exist."""
        return (await self._answer(method, path, body))[0]

    async def _answer(self, method: str, path: str, body: bytes | None, version: str = _VERSION) -> tuple[int, bytes]:
        if self._breaker.is_open:
            raise _away()
        address = self._address.endpoint + path.partition("?")[0]
        url = f"{self._address.endpoint}{path}{'&' if '?' in path else '?'}api-version={version}"
        try:
            async with asyncio.timeout(_TIMEOUT.total):
                token = await self._address.credentials.request_token(address)
                headers = {**_JSON, "Authorization": f"Bearer {token}"}
                async with self._connected().request(method, url, data=body, headers=headers) as answer:
                    status, content = answer.status, await answer.read()
        except _FAILED as error:
            self._breaker.trip()
            raise _away() from error
        if status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.NOT_FOUND:
            return status, content
        if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
            raise RefusedError(f"{method} {path.partition('?')[0]}: {status}")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            self._breaker.trip()
        raise _away(f" ({status})")

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=_MOST_AT_ONCE)
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector)
        return self._session


def _segment(name: str) -> str:
    """A name in a path, exactly as aiohttp sends it: it is part of the audience that a request's token is made for."""
    return quote(name, safe=":&")


def _away(detail: str = "") -> UnavailableError:
    return UnavailableError(f"The push service does not answer{detail}: try again later", retry_after_s=1)
