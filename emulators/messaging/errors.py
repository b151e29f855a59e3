"""Errors with an AMQP condition.

    AmqpError                 refuses one request: a link, a delivery or a management operation
    ├── SessionError          ends the session that caused it
    └── ProtocolError       closes the connection that caused it
        └── DecodeError       bytes that are not AMQP 1.0
    StoreUnavailableError          PostgreSQL is away; an AmqpError that clients retry

Conditions: AMQP 1.0 part 2.8.15 to 2.8.18, and the `com.microsoft:` ones that azure-servicebus maps to its exceptions.
"""

from enum import StrEnum

from structlog.typing import FilteringBoundLogger


class Condition(StrEnum):
    """Wire symbols of error conditions."""

    INTERNAL_ERROR = "amqp:internal-error"
    NOT_FOUND = "amqp:not-found"
    UNAUTHORIZED = "amqp:unauthorized-access"
    DECODE_ERROR = "amqp:decode-error"
    RESOURCE_LIMIT = "amqp:resource-limit-exceeded"
    NOT_ALLOWED = "amqp:not-allowed"
    INVALID_FIELD = "amqp:invalid-field"
    NOT_IMPLEMENTED = "amqp:not-implemented"
    FRAMING_ERROR = "amqp:connection:framing-error"
    CONNECTION_FORCED = "amqp:connection:forced"
    WINDOW_VIOLATION = "amqp:session:window-violation"
    UNATTACHED_HANDLE = "amqp:session:unattached-handle"
    HANDLE_IN_USE = "amqp:session:handle-in-use"
    DETACH_FORCED = "amqp:link:detach-forced"
    TRANSFER_LIMIT = "amqp:link:transfer-limit-exceeded"
    MESSAGE_SIZE = "amqp:link:message-size-exceeded"
    ARGUMENT_ERROR = "com.microsoft:argument-error"
    MESSAGE_LOCK_LOST = "com.microsoft:message-lock-lost"
    MESSAGE_NOT_FOUND = "com.microsoft:message-not-found"
    SESSION_LOCK_LOST = "com.microsoft:session-lock-lost"
    SESSION_CANNOT_BE_LOCKED = "com.microsoft:session-cannot-be-locked"
    SERVER_BUSY = "com.microsoft:server-busy"
    TIMEOUT = "com.microsoft:timeout"
    OUT_OF_RANGE = "com.microsoft:argument-out-of-range"
    ALREADY_EXISTS = "com.microsoft:entity-already-exists"
    ENTITY_DISABLED = "com.microsoft:entity-disabled"
    LINK_STOLEN = "amqp:link:stolen"


class AmqpError(Exception):
    """A request that is refused; the peer sees `condition` and `description`."""

    def __init__(self, condition: Condition, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description


class SessionError(AmqpError):
    """The peer broke a session's rules."""


class ProtocolError(AmqpError):
    """The peer broke a connection's rules."""


class DecodeError(ProtocolError):
    """Bytes that cannot be read as AMQP 1.0."""

    def __init__(self, description: str) -> None:
        super().__init__(Condition.DECODE_ERROR, description)


def entity_not_found(path: str) -> AmqpError:
    """What the service answers for an address without an entity."""
    more = "To know more visit https://aka.ms/sbResourceMgrExceptions."
    return AmqpError(Condition.NOT_FOUND, f"The messaging entity '{path}' could not be found. {more}")


class StoreUnavailableError(AmqpError):
    """PostgreSQL does not answer; the same request may succeed later."""

    def __init__(self, description: str = "The message store is not available. Retry after a few seconds.") -> None:
        super().__init__(Condition.SERVER_BUSY, description)


def report_failed_read(log: FilteringBoundLogger, message: str, error: BaseException) -> None:
    """Log what a read that will be tried again has met: an unavailable database in one line, anything else whole."""
    if isinstance(error, StoreUnavailableError):
        log.warning(message, error=str(error))
    else:
        log.error(message, exc_info=error)
