"""The one error tree, and the closed list of error codes that clients see.

    BrokerError                      INTERNAL_ERROR
    ├── InvalidRequestError          VALIDATION_FAILED        details: field
    ├── UnauthenticatedError         UNAUTHENTICATED
    ├── ForbiddenError               FORBIDDEN
    │   └── KycRequiredError         KYC_REQUIRED             details: kyc_status
    ├── NotFoundError                NOT_FOUND
    │   └── RouteNotFoundError       ROUTE_NOT_FOUND
    ├── MethodNotAllowedError        METHOD_NOT_ALLOWED       details: allowed
    ├── StateConflictError           CONFLICT_STATE           details: state
    ├── GoneError                    GONE                     details: oldest_sequence, stream_sequence
    ├── PayloadTooLargeError         PAYLOAD_TOO_LARGE        details: limit_bytes
    ├── UnsupportedMediaTypeError    UNSUPPORTED_MEDIA_TYPE
    ├── OrderRejectedError           ORDER_REJECTED           details: reject_code, limit, actual, remedy
    ├── IdempotencyKeyReusedError    IDEMPOTENCY_KEY_REUSED
    └── RetryLaterError              (carries retry_after_s)
        ├── RateLimitedError         RATE_LIMITED             details: limit, window_s
        ├── OverloadedError          OVERLOADED
        └── UnavailableError         UNAVAILABLE

Rules: messages are written for the client and name the remedy; they never carry another exception's text. HTTP
is not known here: statuses and titles are in `shared/contracts/problems.py`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import ClassVar

from shared.domain.orders.rejects import Reject

type Details = Mapping[str, object]


class ErrorCode(StrEnum):
    """Closed list of `error_code`."""

    VALIDATION_FAILED = "VALIDATION_FAILED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    KYC_REQUIRED = "KYC_REQUIRED"
    NOT_FOUND = "NOT_FOUND"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CONFLICT_STATE = "CONFLICT_STATE"
    GONE = "GONE"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    ORDER_REJECTED = "ORDER_REJECTED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    RATE_LIMITED = "RATE_LIMITED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    OVERLOADED = "OVERLOADED"
    UNAVAILABLE = "UNAVAILABLE"


class BrokerError(Exception):
    """Base of everything the broker refuses on purpose; subclasses fix the code."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL_ERROR

    def __init__(self, message: str, details: Details | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: Details = details or {}


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
    """No such path."""

    code = ErrorCode.ROUTE_NOT_FOUND


class MethodNotAllowedError(BrokerError):
    """The path is known, but not with this method; carries the methods that it takes."""

    code = ErrorCode.METHOD_NOT_ALLOWED

    def __init__(self, methods: Iterable[str]) -> None:
        self.allowed = sorted({*methods, "OPTIONS"})
        super().__init__(f"This path takes {', '.join(self.allowed)}", {"allowed": self.allowed})


class StateConflictError(BrokerError):
    """The present state forbids this; carries the state."""

    code = ErrorCode.CONFLICT_STATE

    def __init__(self, message: str, *, state: str) -> None:
        super().__init__(message, {"state": str(state)})
        self.state = str(state)


class GoneError(BrokerError):
    """What was asked for was on record and is not kept any more."""

    code = ErrorCode.GONE


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
    """A dependency of this call is unavailable."""

    code = ErrorCode.UNAVAILABLE


def internal_error() -> BrokerError:
    """What a client gets where a defect was met: nothing of the defect."""
    return BrokerError(
        "Internal error: repeat the request with the same Idempotency-Key, or give support the request_id"
    )
