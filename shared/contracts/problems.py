"""The one error format: RFC 9457 problem details, with the members every client of this broker reads."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import orjson
from pydantic import Field

from shared.contracts.common import View
from shared.domain.errors import ERRORS, BrokerError, ErrorCode
from shared.domain.published import Json
from shared.telemetry import current_request_id

PROBLEM_JSON: Final = "application/problem+json"
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


def problem(error: BrokerError, instance: str, request_id: str | None = None) -> Json:
    """The members of `Problem` for this error; `request_id` is that of the request this task serves, unless given."""
    return {
        "type": _TYPES[error.code],
        "title": error.title,
        "status": error.status,
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
    for code, entry in ERRORS.items():
        statuses.setdefault(entry.status, []).append(code)
    return statuses
