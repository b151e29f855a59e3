"""The one error tree, and the closed list of error codes that clients see.

    BrokerError
    ├── InvalidRequestError          400 VALIDATION_FAILED        details: field
    ├── UnauthenticatedError         401 UNAUTHENTICATED
    ├── ForbiddenError               403 FORBIDDEN
    │   └── KycRequiredError         403 KYC_REQUIRED             details: kyc_status
    ├── NotFoundError                404 NOT_FOUND
    │   └── RouteNotFoundError       404 ROUTE_NOT_FOUND
    ├── StateConflictError           409 CONFLICT_STATE           details: state
    ├── IdempotencyInProgressError   409 IDEMPOTENCY_KEY_IN_PROGRESS
    ├── PayloadTooLargeError         413 PAYLOAD_TOO_LARGE        details: limit_bytes
    ├── UnsupportedMediaTypeError    415 UNSUPPORTED_MEDIA_TYPE
    ├── OrderRejectedError           422 ORDER_REJECTED           details: reject_code, limit, actual, remedy
    ├── IdempotencyKeyReusedError    422 IDEMPOTENCY_KEY_REUSED
    └── RetryLaterError              (carries retry_after_s)
        ├── RateLimitedError         429 RATE_LIMITED
        ├── OverloadedError          503 OVERLOADED
        └── UnavailableError         503 UNAVAILABLE

Rules: messages are written for the client and name the remedy; they never carry another exception's text. The
HTTP edge maps any BrokerError by the table below and everything else to INTERNAL_ERROR; nothing here knows HTTP
beyond the status numbers (RFC 9110, RFC 6585).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from shared.domain.rejects import Reject

type Details = Mapping[str, object]


class ErrorCode(StrEnum):
    """Closed list of `error_code`."""

    VALIDATION_FAILED = "VALIDATION_FAILED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    KYC_REQUIRED = "KYC_REQUIRED"
    NOT_FOUND = "NOT_FOUND"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    CONFLICT_STATE = "CONFLICT_STATE"
    IDEMPOTENCY_KEY_IN_PROGRESS = "IDEMPOTENCY_KEY_IN_PROGRESS"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    ORDER_REJECTED = "ORDER_REJECTED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    RATE_LIMITED = "RATE_LIMITED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    OVERLOADED = "OVERLOADED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """HTTP status and title (RFC 9457) of an error code."""

    status: int
    title: str


ERRORS: Final[Mapping[ErrorCode, ErrorEntry]] = {
    ErrorCode.VALIDATION_FAILED: ErrorEntry(400, "The request is malformed or invalid"),
    ErrorCode.UNAUTHENTICATED: ErrorEntry(401, "A valid access token is needed"),
    ErrorCode.FORBIDDEN: ErrorEntry(403, "The token does not allow this"),
    ErrorCode.KYC_REQUIRED: ErrorEntry(403, "Trading needs an active KYC"),
    ErrorCode.NOT_FOUND: ErrorEntry(404, "There is no such resource"),
    ErrorCode.ROUTE_NOT_FOUND: ErrorEntry(404, "There is no such path or method"),
    ErrorCode.CONFLICT_STATE: ErrorEntry(409, "The present state forbids this"),
    ErrorCode.IDEMPOTENCY_KEY_IN_PROGRESS: ErrorEntry(409, "The first request with this key is still running"),
    ErrorCode.PAYLOAD_TOO_LARGE: ErrorEntry(413, "The body is too large"),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: ErrorEntry(415, "The body must be application/json"),
    ErrorCode.ORDER_REJECTED: ErrorEntry(422, "The order was refused by a rule"),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: ErrorEntry(422, "The idempotency key belongs to another request"),
    ErrorCode.RATE_LIMITED: ErrorEntry(429, "Too many requests"),
    ErrorCode.INTERNAL_ERROR: ErrorEntry(500, "Something went wrong on our side"),
    ErrorCode.OVERLOADED: ErrorEntry(503, "The broker is at capacity"),
    ErrorCode.UNAVAILABLE: ErrorEntry(503, "A part of the broker is not available"),
}


class BrokerError(Exception):
    """Base of everything the broker refuses on purpose; subclasses fix the code."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL_ERROR

    def __init__(self, message: str, details: Details | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: Details = details or {}

    @property
    def status(self) -> int:
        """HTTP status code."""
        return ERRORS[self.code].status

    @property
    def title(self) -> str:
        """RFC 9457 title: the same for every occurrence of the code."""
        return ERRORS[self.code].title


class InvalidRequestError(BrokerError):
    """The request is malformed; names the field where there is one."""

    code = ErrorCode.VALIDATION_FAILED

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message, {"field": field} if field is not None else None)


class UnauthenticatedError(BrokerError):
    """No token, or one that is not valid."""

    code = ErrorCode.UNAUTHENTICATED


class ForbiddenError(BrokerError):
    """A valid token that does not allow this."""

    code = ErrorCode.FORBIDDEN


class KycRequiredError(ForbiddenError):
    """Trading asked for by a client whose KYC is not ACTIVE."""

    code = ErrorCode.KYC_REQUIRED

    def __init__(self, message: str, *, kyc_status: str) -> None:
        super().__init__(message, {"kyc_status": str(kyc_status)})


class NotFoundError(BrokerError):
    """No such resource, or one that belongs to somebody else."""

    code = ErrorCode.NOT_FOUND


class RouteNotFoundError(NotFoundError):
    """No such path, or not with this method."""

    code = ErrorCode.ROUTE_NOT_FOUND


class StateConflictError(BrokerError):
    """The present state forbids this; carries the state."""

    code = ErrorCode.CONFLICT_STATE

    def __init__(self, message: str, *, state: str) -> None:
        super().__init__(message, {"state": str(state)})
        self.state = str(state)


class IdempotencyInProgressError(BrokerError):
    """A concurrent twin has not answered within the bound."""

    code = ErrorCode.IDEMPOTENCY_KEY_IN_PROGRESS


class PayloadTooLargeError(BrokerError):
    """The body is over the limit."""

    code = ErrorCode.PAYLOAD_TOO_LARGE

    def __init__(self, message: str, *, limit_bytes: int) -> None:
        super().__init__(message, {"limit_bytes": limit_bytes})


class UnsupportedMediaTypeError(BrokerError):
    """The body is not JSON."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class OrderRejectedError(BrokerError):
    """An order was refused by a rule; it stays on record as REJECTED."""

    code = ErrorCode.ORDER_REJECTED

    def __init__(self, reject: Reject) -> None:
        super().__init__(
            reject.message,
            {
                "reject_code": reject.code.value,
                "limit": reject.limit,
                "actual": reject.actual,
                "remedy": reject.remedy,
            },
        )
        self.reject = reject


class IdempotencyKeyReusedError(BrokerError):
    """The key was used with another body."""

    code = ErrorCode.IDEMPOTENCY_KEY_REUSED


class RetryLaterError(BrokerError):
    """Refused now, may succeed later: `retry_after_s` whole seconds go into Retry-After."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self, message: str, *, retry_after_s: int, details: Details | None = None) -> None:
        super().__init__(message, details)
        self.retry_after_s = retry_after_s


class RateLimitedError(RetryLaterError):
    """The user's limit for this call is used up."""

    code = ErrorCode.RATE_LIMITED


class OverloadedError(RetryLaterError):
    """The broker is at capacity."""

    code = ErrorCode.OVERLOADED


class UnavailableError(RetryLaterError):
    """A part that this call needs is away."""

    code = ErrorCode.UNAVAILABLE
