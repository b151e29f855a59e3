"""The token endpoint's errors: OAuth 2.0 codes (RFC 6749, 5.2) in the body that Entra sends.

AADSTS numbers and wording: learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

from datetime import UTC, datetime
from uuid import uuid4

from starlette.responses import JSONResponse

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """A refusal: OAuth code, Entra's number and sentence, HTTP status."""

    def __init__(self, error: str, number: int, sentence: str, status: int = 400) -> None:
        super().__init__(f"AADSTS{number}: {sentence}")
        self.error = error
        self.number = number
        self.status = status

    def response(self) -> JSONResponse:
        """Entra's error body; trace and correlation ids are new for each answer."""
        trace_id, correlation_id = str(uuid4()), str(uuid4())
        timestamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        body = {
            "error": self.error,
            "error_description": (
                f"{self} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
            ),
            "error_codes": [self.number],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
        }
        return JSONResponse(body, self.status, NO_STORE)


def malformed(sentence: str = "Request is malformed or invalid.", status: int = 400) -> OAuthError:
    """The request itself cannot be read."""
    return OAuthError("invalid_request", 9002313, f"Invalid request. {sentence}", status)


def missing(parameter: str) -> OAuthError:
    """A required parameter is absent."""
    return OAuthError(
        "invalid_request", 900144, f"The request body must contain the following parameter: '{parameter}'."
    )


def unknown_tenant() -> OAuthError:
    """No such tenant; its name is not echoed, because it comes from the caller."""
    return OAuthError("invalid_request", 90002, "Tenant not found. Check to make sure you have the correct tenant ID.")


def unknown_client() -> OAuthError:
    """The client id is not registered in the tenant."""
    return OAuthError("unauthorized_client", 700016, "Application was not found in the directory.")


def wrong_secret() -> OAuthError:
    """The client did not prove itself."""
    return OAuthError("invalid_client", 7000215, "Invalid client secret provided.", 401)


def grant_not_allowed() -> OAuthError:
    """The client may not use this grant."""
    return OAuthError("unauthorized_client", 700051, "The grant is not enabled for the application.")


def unsupported_grant() -> OAuthError:
    """The grant does not exist here."""
    return OAuthError("unsupported_grant_type", 70003, "The app requested an unsupported grant type.")


def invalid_scope() -> OAuthError:
    """The scopes do not name one API and scopes that it has."""
    return OAuthError("invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid.")


def default_scope_only() -> OAuthError:
    """Client credentials take exactly one `<resource>/.default`."""
    return OAuthError(
        "invalid_scope", 1002012, "Client credential flows must have a scope value with /.default suffixed."
    )


def wrong_password() -> OAuthError:
    """Unknown user or wrong password: one answer for both, so names cannot be tried out."""
    return OAuthError("invalid_grant", 50126, "Error validating credentials due to invalid username or password.")
