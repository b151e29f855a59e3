"""What API Management answers itself, in the product's error format (shared/contracts/problems.py)."""

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from shared.contracts.problems import ERRORS, PROBLEM_JSON
from shared.domain.errors import (
    BrokerError,
    ForbiddenError,
    PayloadTooLargeError,
    RateLimitedError,
    RouteNotFoundError,
    UnauthenticatedError,
    UnavailableError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: which of the gateway's errors it is for, as a C# condition, and what is said."""

    error: type[BrokerError]
    message: str
    condition: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    details: str = "new JObject()"


_NOTHING_SENT: Final = 'context.LastError.Reason == "TokenNotPresent"'
_RETRY: Final = (("Retry-After", "1"),)
ANSWERS: Final[dict[str, Answer]] = {
    "NOTHING_SENT": Answer(
        UnauthenticatedError,
        "Send an access token: Authorization: Bearer <token>",
        f'context.LastError.Source == "validate-jwt" && {_NOTHING_SENT}',
        (("WWW-Authenticate", 'Bearer realm="broker"'),),
    ),
    "TOKEN": Answer(
        UnauthenticatedError,
        "The access token is not valid for this API: get a new one with its scope",
        'context.LastError.Source == "validate-jwt"',
        (("WWW-Authenticate", 'Bearer realm="broker", error="invalid_token"'),),
    ),
    "LIMIT": Answer(
        RateLimitedError,
        "Too many calls in this minute: wait for as long as Retry-After says",
        'context.LastError.Source == "rate-limit-by-key"',
        (("Retry-After", '@(context.Variables.GetValueOrDefault<int>("retry-after", 60).ToString())'),),
    ),
    "SIZE": Answer(
        PayloadTooLargeError,
        "The body is too large: send less",
        'context.LastError.Source == "validate-content"',
        details='new JObject(new JProperty("limit_bytes", int.Parse((string)context.Variables["limit-bytes"])))',
    ),
    "FRONT_DOOR": Answer(
        ForbiddenError,
        "Call the public address of this API",
        'context.LastError.Source == "check-header"',
    ),
    "NOT_FOUND": Answer(
        RouteNotFoundError,
        "There is no such path: GET /api/openapi.json lists all of them",
        'context.LastError.Reason == "OperationNotFound"',
    ),
    "BACKEND": Answer(
        UnavailableError,
        "The broker does not answer: repeat with the same Idempotency-Key",
        'context.LastError.Section == "backend"',
        _RETRY,
    ),
    "INTERNAL": Answer(BrokerError, "Something failed that should not: repeat with the same Idempotency-Key"),
}
"""In the order in which conditions are tried; the last one has none."""

_OTHERS: Final[dict[str, Answer]] = {
    "NO_CELL": Answer(UnavailableError, "This part of the broker is being moved: repeat in a moment", headers=_RETRY),
    "PLATFORM": Answer(
        UnavailableError, "The broker does not answer: repeat with the same Idempotency-Key", headers=_RETRY
    ),
}


def problem(name: str, indent: int) -> str:
    """The answer as a `return-response`."""
    answer = _OTHERS[name] if name in _OTHERS else ANSWERS[name]
    entry = next(ERRORS[each] for each in answer.error.__mro__ if each in ERRORS)
    code = answer.error.code.value
    members = [
        ("type", _text(f"urn:broker:error:{code.lower().replace('_', '-')}")),
        ("title", _text(entry.title)),
        ("status", str(entry.status)),
        ("instance", "context.Request.OriginalUrl.Path"),
        ("error_code", _text(code)),
        ("message", _text(answer.message)),
        ("request_id", 'context.RequestId.ToString("N")'),
        ("details", answer.details),
    ]
    body = ", ".join(f'new JProperty("{name}", {value})' for name, value in members)
    headers = [
        ("Content-Type", PROBLEM_JSON),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Request-Id", '@(context.RequestId.ToString("N"))'),
        *answer.headers,
    ]
    lines = [
        "<return-response>",
        f"  <set-status code={quoteattr(str(entry.status))} reason={quoteattr(entry.title)} />",
        *(
            f'  <set-header name="{header}" exists-action="override"><value>{escape(value)}</value></set-header>'
            for header, value in headers
        ),
        f"  <set-body>{escape(f'@(new JObject({body}).ToString())')}</set-body>",
        "</return-response>",
    ]
    return "\n".join(" " * indent + line for line in lines)


def _text(value: str) -> str:
    """A C# string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _errors() -> str:
    *chosen, (last, _) = ANSWERS.items()
    whens = [
        f"      <when condition={quoteattr(f'@({answer.condition})')}>\n{problem(name, indent=8)}\n      </when>"
        for name, answer in chosen
    ]
    return "\n".join(
        ["    <choose>", *whens, "      <otherwise>", problem(last, indent=8), "      </otherwise>", "    </choose>"]
    )


ERRORS_XML: Final = _errors()
