"""The id of the request being served, and how the app logs.

Rules: one JSON object a line through the standard library's root logger, which the Functions worker ships to
Application Insights; events are short phrases, facts are keyword arguments; never a token, a body or a name.
"""

import logging
from contextvars import ContextVar
from typing import Any

import orjson
import structlog

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """The id of the HTTP request this task serves; empty outside of one."""
    return _request_id.get()


def begin_request(request_id: str) -> None:
    """From here on this task, and the tasks it starts, serve that request."""
    _request_id.set(request_id)


def _add_request_id(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    request_id = _request_id.get()
    if request_id:
        event.setdefault("request_id", request_id)
    return event


def _to_json(event: structlog.typing.EventDict, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def configure_logging(level: int = logging.INFO) -> None:
    """Send structlog's events through `logging`. Idempotent."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            _add_request_id,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
