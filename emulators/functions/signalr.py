"""SignalR's bindings: the connection info that `negotiate` functions return, and messages and group actions out.

As in the extension, messages go through the service's REST API, and the connection string's key signs
one-hour tokens for the clients (https://learn.microsoft.com/azure/azure-functions/functions-bindings-signalr-service).
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import jwt
import orjson

from emulators.functions.definitions import SignalRConnectionInfo, SignalROutput
from emulators.functions.settings import SettingsError, connection_setting
from emulators.functions.worker import RpcHttp, TypedData
from emulators.signalr.tokens import AccessKeys

_API_VERSION = "2022-06-01"
_EXPRESSION = re.compile(r"\{([^{}]+)\}")
_TIMEOUT = aiohttp.ClientTimeout(total=30)


class SignalRError(Exception):
    """A value cannot be sent, or the service refused it; the message says which."""


@dataclass(frozen=True)
class SignalRService:
    """A connection string: `Endpoint=...;AccessKey=...;[Port=...;][ClientEndpoint=...;]Version=1.0;`."""

    endpoint: str
    client_endpoint: str
    keys: AccessKeys

    @classmethod
    def named(cls, name: str, settings: Mapping[str, str]) -> "SignalRService":
        """The service whose connection string the app setting holds. Raises SettingsError."""
        found = connection_setting(name, settings)
        if found is None:
            raise SettingsError(
                f"The SignalR Service connection string '{name}' is missing or empty: add '{name}' to the app settings"
            )
        return cls._parsed(name, found)

    @classmethod
    def _parsed(cls, name: str, text: str) -> "SignalRService":
        pairs = (part.partition("=") for part in text.split(";") if part.strip())
        parts = {key.strip().lower(): value.strip() for key, _, value in pairs}
        endpoint, key = parts.get("endpoint", "").rstrip("/"), parts.get("accesskey", "")
        if urlsplit(endpoint).scheme not in ("http", "https") or not key:
            raise SettingsError(
                f"The setting '{name}' must be a SignalR Service connection string with Endpoint and AccessKey; "
                "connecting with an identity (AuthType) is not supported by this host"
            )
        endpoint += f":{parts['port']}" if "port" in parts else ""
        return cls(endpoint, parts.get("clientendpoint", endpoint).rstrip("/"), AccessKeys([key]))

    def connection_info(self, hub: str, claims: Mapping[str, Any]) -> str:
        """Where and with which token one client connects: the JSON that SignalR clients expect of `negotiate`."""
        audience = f"{self.endpoint}/client/?hub={hub.lower()}"
        url = f"{self.client_endpoint}/client/?hub={hub.lower()}"
        return orjson.dumps({"url": url, "accessToken": self.keys.sign(audience, claims)}).decode()


def connection_infos(
    bindings: Iterable[SignalRConnectionInfo], trigger_input: object, settings: Mapping[str, str]
) -> Iterable[tuple[str, TypedData]]:
    """Each binding's parameter and value for one invocation. Raises SignalRError, SettingsError."""
    for binding in bindings:
        data = _BindingData(trigger_input)
        claims = _token_claims(data.resolve(binding.id_token), binding.claim_types)
        user = data.resolve(binding.user_id)
        claims |= {"nameid": user} if user else {}
        info = SignalRService.named(binding.connection, settings).connection_info(data.resolve(binding.hub), claims)
        yield binding.parameter, TypedData(json=info)


class _BindingData:
    """What `{...}` in a binding may name: `{headers.x}`, `{query.x}`, a route parameter or a member of a JSON body.

    What the request does not have is empty, as the extension's anonymous clients rely on.
    """

    def __init__(self, trigger_input: object) -> None:
        is_http = isinstance(trigger_input, TypedData) and trigger_input.WhichOneof("data") == "http"
        self._request: RpcHttp | None = trigger_input.value if is_http else None  # type: ignore[attr-defined]

    def resolve(self, text: str) -> str:
        return _EXPRESSION.sub(lambda match: self._value(match[1]), text)

    def _value(self, name: str) -> str:
        if self._request is None:
            return ""
        source, dot, member = name.partition(".")
        if dot and source.lower() == "headers":
            return _get(self._request.headers, member)
        if dot and source.lower() == "query":
            return _get(self._request.query, member)
        return _get(self._request.params, name) or _get(self._body(), name)

    def _body(self) -> Mapping[str, Any]:
        content = getattr(self._request and self._request.body, "value", b"")
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            return {}
        return document if isinstance(document, dict) else {}


def _get(values: Mapping[str, Any], name: str) -> str:
    """A value by its name, which has no case."""
    return next((str(value) for key, value in values.items() if key.lower() == name.lower()), "")


def _token_claims(id_token: str, claim_types: tuple[str, ...]) -> dict[str, Any]:
    """Claims copied from a token that App Service has checked already, as in the extension. Raises SignalRError."""
    if not id_token:
        return {}
    try:
        claims = jwt.decode(id_token.removeprefix("Bearer "), options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise SignalRError(f"the binding's idToken is no JWT: {error}") from error
    return {name: claims[name] for name in claim_types if name in claims}


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: bytes | None = None
    missing_is_fine: bool = False


class SignalROutputs:
    """Sends what output bindings return, one REST call for each message or action, in their order."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()

    async def send(self, output: SignalROutput, value: TypedData) -> None:
        """Send one message or action, or an array of them. Raises SignalRError, aiohttp.ClientError."""
        service = SignalRService.named(output.connection, self._settings)
        for item in _items(value):
            request = _request(item)
            await self._call(service, f"{service.endpoint}/api/hubs/{output.hub.lower()}/{request.path}", request)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _call(self, service: SignalRService, url: str, request: _Request) -> None:
        self._session = self._session or aiohttp.ClientSession(timeout=_TIMEOUT)
        headers = {"authorization": f"Bearer {service.keys.sign(url, {})}", "content-type": "application/json"}
        address = f"{url}?api-version={_API_VERSION}"
        async with self._session.request(
            request.method, _encoded(address), data=request.body, headers=headers
        ) as response:
            if response.status < 300 or (response.status == 404 and request.missing_is_fine):
                return
            raise SignalRError(
                f"SignalR Service answered {response.status} {response.headers.get('x-ms-error-code', '')} "
                f"to {request.method} {url}: {(await response.text())[:500]}"
            )


def _encoded(address: str) -> Any:
    """A URL that is percent-encoded already and must stay as it is."""
    from yarl import URL  # noqa: PLC0415 - aiohttp's own URL type

    return URL(address, encoded=True)


def _items(value: TypedData) -> list[dict[str, Any]]:
    try:
        document = orjson.loads(value.value)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise SignalRError(f"the value of a signalR output must be JSON: {error}") from error
    items = document if isinstance(document, list) else [document]
    if not all(isinstance(item, dict) for item in items):
        raise SignalRError("the value of a signalR output must be a JSON object or an array of objects")
    return items


def _request(item: Mapping[str, Any]) -> _Request:
    """SignalRMessage or SignalRGroupAction as a call below the hub. Raises SignalRError."""
    if "target" in item:
        body = orjson.dumps({"target": item["target"], "arguments": item.get("arguments") or []})
        return _Request("POST", f"{_receivers(item)}:send", body)
    if "action" in item:
        return _group_request(str(item["action"]).lower(), item)
    raise SignalRError("the value of a signalR output must have 'target' (a message) or 'action' (a group action)")


def _receivers(item: Mapping[str, Any]) -> str:
    """Where a message goes; the extension prefers the connection, then the user, then the group."""
    for member, place in (("connectionId", "connections"), ("userId", "users"), ("groupName", "groups")):
        if item.get(member):
            return f"{place}/{_segment(item[member])}/"
    return ""


def _group_request(action: str, item: Mapping[str, Any]) -> _Request:
    connection, user, group = item.get("connectionId"), item.get("userId"), item.get("groupName")
    if not (connection or user):
        raise SignalRError("a group action needs 'connectionId' or 'userId'")
    member = f"connections/{_segment(connection)}" if connection else f"users/{_segment(user)}"
    if action == "removeall":
        return _Request("DELETE", f"{member}/groups", missing_is_fine=True)
    if not group or action not in ("add", "remove"):
        raise SignalRError("a group action is 'add' or 'remove' with 'groupName', or 'removeAll'")
    path = f"groups/{_segment(group)}/{member}" if connection else f"{member}/groups/{_segment(group)}"
    return _Request("PUT" if action == "add" else "DELETE", path, missing_is_fine=action == "remove")


def _segment(value: object) -> str:
    return quote(str(value), safe="")
