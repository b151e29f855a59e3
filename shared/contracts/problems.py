"""The one error format: RFC 9457 problem details, with the members every client of this broker reads."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

import orjson
from pydantic import Field

from shared.contracts.common import View
from shared.domain.errors import (
    BrokerError,
    ErrorCode,
    ForbiddenError,
    GoneError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    KycRequiredError,
    MethodNotAllowedError,
    NotFoundError,
    OrderRejectedError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitedError,
    RouteNotFoundError,
    StateConflictError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from shared.json_values import Json
from shared.telemetry import current_request_id

PROBLEM_JSON: Final = "application/problem+json"


class ErrorEntry(NamedTuple):
    """HTTP status (RFC 9110, RFC 6585) and title (RFC 9457): the same for every occurrence of an error."""

    status: int
    title: str


ERRORS: Final[Mapping[type[BrokerError], ErrorEntry]] = {
    InvalidRequestError: ErrorEntry(400, "The request is malformed or invalid"),
    UnauthenticatedError: ErrorEntry(401, "A valid access token is needed"),
    ForbiddenError: ErrorEntry(403, "The token does not allow this"),
    KycRequiredError: ErrorEntry(403, "Trading needs an active KYC"),
    NotFoundError: ErrorEntry(404, "There is no such resource"),
    RouteNotFoundError: ErrorEntry(404, "There is no such path"),
    MethodNotAllowedError: ErrorEntry(405, "The path does not take this method"),
    StateConflictError: ErrorEntry(409, "The present state forbids this"),
    GoneError: ErrorEntry(410, "What was asked for is not kept any more"),
    PayloadTooLargeError: ErrorEntry(413, "The body is too large"),
    UnsupportedMediaTypeError: ErrorEntry(415, "The body must be application/json"),
    OrderRejectedError: ErrorEntry(422, "The order was refused by a rule"),
    IdempotencyKeyReusedError: ErrorEntry(422, "The idempotency key belongs to another request"),
    RateLimitedError: ErrorEntry(429, "Too many requests"),
    BrokerError: ErrorEntry(500, "Internal error"),
    OverloadedError: ErrorEntry(503, "The broker is at capacity"),
    UnavailableError: ErrorEntry(503, "A part of the broker is not available"),
}
_TYPES: Final[Mapping[ErrorCode, str]] = {
    code: f"urn:broker:error:{code.value.lower().replace('_', '-')}" for code in ErrorCode
}


class Problem(View):
    """An error. `type` and `title` are the same for every occurrence of an `error_code`."""

    type: Annotated[str, Field(examples=["urn:broker:error:validation-failed"])]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    instance: Annotated[str, Field(description="The path that was called, or the order that was refused")]
    error_code: ErrorCode
    message: Annotated[str, Field(description="What is wrong and what to do about it")]
    request_id: Annotated[str, Field(description="Also in X-Request-Id; support finds the request by it")]
    details: dict[str, Any]


def entry_of(error: BrokerError) -> ErrorEntry:
    """Its own, or that of the nearest class above it."""
    return next(ERRORS[each] for each in type(error).__mro__ if each in ERRORS)


def problem(error: BrokerError, instance: str, request_id: str | None = None) -> Json:
    """The members of `Problem` for this error; `request_id` is that of the request this task serves, unless given."""
    entry = entry_of(error)
    return {
        "type": _TYPES[error.code],
        "title": entry.title,
        "status": entry.status,
        "instance": instance,
        "error_code": error.code.value,
        "message": error.message,
        "request_id": current_request_id() if request_id is None else request_id,
        "details": dict(error.details),
    }


def write_problem(error: BrokerError, instance: str, request_id: str | None = None) -> str:
    """`problem` as JSON text."""
    return orjson.dumps(problem(error, instance, request_id), default=str).decode()


def documented_statuses() -> Mapping[int, list[ErrorCode]]:
    """Error codes by HTTP status, in the order of the closed list."""
    statuses: dict[int, list[ErrorCode]] = {}
    for error, entry in ERRORS.items():
        statuses.setdefault(entry.status, []).append(error.code)
    return statuses
