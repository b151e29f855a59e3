"""From a reply or an error to an HTTP response: one error format, one set of headers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import azure.functions as func
import orjson
from pydantic import BaseModel

from shared.contracts.problems import PROBLEM_JSON, entry_of, write_problem
from shared.domain.errors import (
    BrokerError,
    ForbiddenError,
    MethodNotAllowedError,
    RateLimitedError,
    RetryLaterError,
    UnauthenticatedError,
)
from shared.ports.rate_limits import WINDOW_S, RateLimit

JSON: Final = "application/json"
_CHALLENGE: Final = 'Bearer realm="broker"'
_COMMON: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers. A text or bytes body is sent as it is; anything else is written as JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON
    rate_limit: RateLimit | None = None
    """Only where the use case counts the call itself."""
    stream_sequence: int | None = None
    """Only where the route says that the use case knows it."""


def respond(
    reply: Reply, request_id: str, rate_limit: RateLimit | None, stream_sequence: int | None = None
) -> func.HttpResponse:
    """The response of a call that succeeded, or that answered with a status of its own."""
    headers = {**_COMMON, "X-Request-Id": request_id, **reply.headers}
    headers |= stream_headers(stream_sequence if reply.stream_sequence is None else reply.stream_sequence)
    limit = reply.rate_limit or rate_limit
    if limit is not None:
        headers |= rate_limit_headers(limit)
    return func.HttpResponse(
        _written(reply.body), status_code=reply.status, headers=headers, mimetype=reply.content_type
    )


def refuse(
    error: BrokerError,
    instance: str,
    request_id: str,
    rate_limit: RateLimit | None = None,
    stream_sequence: int | None = None,
    *,
    token_given: bool = True,
) -> func.HttpResponse:
    """The response of a call that was refused on purpose."""
    headers = {**_COMMON, "X-Request-Id": request_id, **_error_headers(error, token_given=token_given)}
    headers |= stream_headers(stream_sequence)
    if rate_limit is not None:
        headers |= rate_limit_headers(rate_limit)
    body, status = write_problem(error, instance, request_id), entry_of(error).status
    return func.HttpResponse(body, status_code=status, headers=headers, mimetype=PROBLEM_JSON)


def stream_headers(sequence: int | None) -> dict[str, str]:
    """Where the user's stream of changes stands."""
    return {} if sequence is None else {"X-Stream-Sequence": str(sequence)}


def rate_limit_headers(limit: RateLimit) -> dict[str, str]:
    """draft-ietf-httpapi-ratelimit-headers-03 and later to 06: the field names that clients have."""
    return {
        "RateLimit-Limit": str(limit.limit),
        "RateLimit-Remaining": str(limit.remaining),
        "RateLimit-Reset": str(limit.reset_s),
        "RateLimit-Policy": f"{limit.limit};w={WINDOW_S}",
    }


def _error_headers(error: BrokerError, *, token_given: bool) -> dict[str, str]:
    if isinstance(error, RetryLaterError):
        headers = {"Retry-After": str(error.retry_after_s)}
        limit = error.details.get("limit")
        if isinstance(error, RateLimitedError) and isinstance(limit, int):
            headers |= rate_limit_headers(RateLimit(limit, 0, error.retry_after_s))
        return headers
    if isinstance(error, MethodNotAllowedError):
        return {"Allow": ", ".join(error.allowed)}
    if isinstance(error, UnauthenticatedError):
        # RFC 6750, 3.1: no error code for a request without any token.
        return {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"' if token_given else _CHALLENGE}
    if isinstance(error, ForbiddenError) and "scope" in error.details:
        return {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{error.details["scope"]}"'}
    return {}


def _written(body: Any) -> str | bytes:
    if isinstance(body, str | bytes):
        return body
    return orjson.dumps(body, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not a JSON value")
