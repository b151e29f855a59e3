"""Refusals in the service's shape: a status, a sub-status, a code and a message
(https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb).
"""

_CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    424: "FailedDependency",
    429: "TooManyRequests",
    431: "RequestHeaderFieldsTooLarge",
    449: "RetryWith",
    500: "InternalServerError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}


class CosmosError(Exception):
    """A request that is refused, without any effect."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        sub_status: int = 0,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.sub_status = sub_status
        self.headers = headers or {}

    @property
    def code(self) -> str:
        """The word for the status, as the service writes it."""
        return _CODES.get(self.status, "InternalServerError")


def bad_request(message: str) -> CosmosError:
    """The request cannot be understood, or asks for what is not allowed."""
    return CosmosError(400, message)


def not_found(what: str = "Entity with the specified id does not exist in the system.") -> CosmosError:
    """There is no such item, container or database."""
    return CosmosError(404, what)


def conflict(what: str = "Entity with the specified id already exists in the system.") -> CosmosError:
    """Something of that name, or with that unique key, exists."""
    return CosmosError(409, what)


def precondition_failed() -> CosmosError:
    """`If-Match` names another version, or the condition of a patch is not met."""
    return CosmosError(412, "One of the specified pre-condition is not met")


def store_unavailable() -> CosmosError:
    """PostgreSQL does not answer; whether a write took place is not known."""
    return CosmosError(503, "The store of the emulator is not available. Retry after a few seconds.")
