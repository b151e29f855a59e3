"""Durable HTTP: the requests of `call_http`, made by the engine instead of by code of the app.

Rules: an answer 202 with a `Location` is polled there with GET until another status comes, after
`Retry-After` seconds or 30; the wait is durable, because each poll is a postponed call in the table. Redirects are
followed. Retry options fail or repeat a request by its status; without them every status is a result.
A request may be sent again after a crash, as an activity may run again.
Source: DurableOrchestrationContext.CallHttpAsync and TaskHttpActivityShim.cs in
Azure/azure-functions-durable-extension. There the polls are tasks of the orchestration, whose ids the Python
SDK does not count; here they belong to the one task that the SDK knows.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from emulators.durable.limits import LimitExceededError, check_payload
from emulators.durable.texts import storable

_POLL_S = 30.0
_DEFAULT_TIMEOUT_S = 100.0
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_STATE = "_emulator"


class HttpCallFailedError(Exception):
    """The request failed; the message is what the orchestrator sees."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """Go on at `due_at` with `input`, the JSON text of the next request."""

    due_at: datetime
    input: str


class HttpCaller:
    """Makes requests over one pool of connections."""

    def __init__(self, poll_s: float = _POLL_S) -> None:
        self._poll_s = poll_s
        self._session: aiohttp.ClientSession | None = None

    async def call(self, text: str) -> str | Postponed:
        """Send one request; its answer as JSON, or when to go on. Raises HttpCallFailedError."""
        request = json.loads(text)
        try:
            answer = await self._send(request)
            _check_status(request, answer["statusCode"])
        except (HttpCallFailedError, aiohttp.ClientError, TimeoutError, ValueError) as error:
            return _retry(request, error)
        poll = self._poll(request, answer)
        if poll is not None:
            return poll
        result = json.dumps(answer, separators=(",", ":"))
        try:
            check_payload("The response of call_http", result)
        except LimitExceededError as error:
            raise HttpCallFailedError(str(error)) from error
        return result

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if request.get("tokenSource") is not None:
            raise HttpCallFailedError(
                "call_http: managed identity tokens are not emulated: send an Authorization header instead"
            )
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar())
        timeout_s = _seconds(request.get("timeout"), _DEFAULT_TIMEOUT_S)
        content = request.get("content")
        try:
            async with self._session.request(
                request["method"],
                request["uri"],
                headers=_headers(request, with_content=content is not None),
                data=None if content is None else str(content).encode(),
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                body = await response.text(errors="replace")
                return {
                    "statusCode": response.status,
                    "headers": _headers_json(response.headers),
                    "content": storable(body),
                    "url": str(response.url),
                }
        except TimeoutError as error:
            raise HttpCallFailedError(f"The request was canceled after its timeout of {timeout_s:g} s.") from error

    def _poll(self, request: Mapping[str, Any], answer: dict[str, Any]) -> Postponed | None:
        """The next poll of a request that was accepted; None if the answer is the result."""
        url = answer.pop("url")
        if answer["statusCode"] != 202 or request.get("asynchronousPatternEnabled") is False:
            return None
        headers = CIMultiDict(answer["headers"])
        if "Location" not in headers:
            return None
        poll = {
            "method": "GET",
            "uri": urljoin(url, _first(headers["Location"])),
            "headers": {k: v for k, v in (request.get("headers") or {}).items() if k.lower() != "content-type"},
            "timeout": request.get("timeout"),
            "retryOptions": request.get("retryOptions"),
        }
        pause_s = _retry_after(_first(headers.get("Retry-After")), self._poll_s)
        return Postponed(datetime.now(UTC) + timedelta(seconds=pause_s), json.dumps(poll))


def _headers(request: Mapping[str, Any], *, with_content: bool) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in (request.get("headers") or {}).items():
        for item in value if isinstance(value, list) else [value]:
            headers.add(name, str(item))
    if "multipart" in headers.get("Content-Type", ""):
        raise HttpCallFailedError("Multipart content is not supported with CallHttpAsync.")
    if with_content and "Content-Type" not in headers:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    return headers


def _headers_json(headers: CIMultiDictProxy[str]) -> dict[str, str | list[str]]:
    """One value as a text, several as a list, as HttpHeadersConverter writes them."""
    values: dict[str, str | list[str]] = {}
    for name in dict.fromkeys(headers):
        found = [storable(value) for value in headers.getall(name)]
        values[name] = found[0] if len(found) == 1 else found
    return values


def _check_status(request: Mapping[str, Any], status: int) -> None:
    """Raise HttpCallFailedError if the retry options ask to repeat a request with this status."""
    options = request.get("retryOptions")
    if not options:
        return
    wanted = options.get("statusCodesToRetry") or options.get("StatusCodesToRetry")
    if status in wanted if wanted else status >= 400:
        raise HttpCallFailedError(f"Status code {status} received, retry requested.")


def _retry(request: dict[str, Any], error: Exception) -> Postponed:
    """The next attempt. Raises HttpCallFailedError if none is left."""
    message = str(error) or type(error).__name__
    options = {key[:1].lower() + key[1:]: value for key, value in (request.get("retryOptions") or {}).items()}
    attempt = int((request.get(_STATE) or {}).get("attempt", 1))
    if attempt >= int(options.get("maxNumberOfAttempts", 1)):
        raise HttpCallFailedError(f"HTTP call failed: {message}") from error
    first_s = _seconds(options.get("firstRetryInterval"), 0.0)
    pause_s = first_s * float(options.get("backoffCoefficient", 1)) ** (attempt - 1)
    pause_s = min(pause_s, _seconds(options.get("maxRetryInterval"), pause_s))
    again = request | {_STATE: {"attempt": attempt + 1}}
    return Postponed(datetime.now(UTC) + timedelta(seconds=pause_s), json.dumps(again))


def _seconds(value: object, default: float) -> float:
    """Seconds of a .NET TimeSpan (`[d.]hh:mm:ss[.f]`) or of a number. Raises HttpCallFailedError."""
    if value is None:
        return default
    if isinstance(value, int | float):
        return float(value)
    match = _TIME_SPAN.fullmatch(str(value))
    if match is None:
        raise HttpCallFailedError(f"call_http: '{value}' is not a time span such as 00:01:30")
    days, hours, minutes, seconds = match.groups()
    return int(days or 0) * 86400.0 + int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds)


def _retry_after(value: str | None, default_s: float) -> float:
    """Seconds of a Retry-After header, which names seconds or a date (RFC 9110, 10.2.3)."""
    if not value:
        return default_s
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return default_s


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value
