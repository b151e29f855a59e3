"""Logs: readable on a terminal, one JSON object a line otherwise; both on standard error.

Levels follow host.json's `logging.logLevel` categories (https://learn.microsoft.com/azure/azure-functions/configure-monitoring):
`Host.Results` for the one line an invocation, `Function.<name>.User` for what functions log.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}
_QUIET_LIBRARIES = ("azure", "uvicorn", "asyncio", "aiohttp.access", "httpx", "urllib3", "yoyo")
RESULTS = "Host.Results"
_SUCCEEDED = "Executed (Succeeded)"
_SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


@dataclass(frozen=True, slots=True)
class RunningInvocation:
    """What every log line of an invocation carries."""

    function: str
    invocation_id: str
    trace_parent: str


class LogLevels:
    """Thresholds by category; the longest configured prefix of the category wins."""

    def __init__(self, configured: Mapping[str, object], override: str | None = None) -> None:
        self._by_category = {name.lower(): _level(str(level)) for name, level in configured.items()}
        self._overridden = override is not None
        if override is not None:
            self._by_category = {"default": _level(override)}
        self._by_category.setdefault("default", logging.INFO)
        self._known: dict[str, int] = {}

    def threshold(self, category: str) -> int:
        """The lowest stdlib level that passes for `category`."""
        if category not in self._known:
            self._known[category] = self._find(category.lower())
        return self._known[category]

    def of_root(self, settings: Mapping[str, str]) -> int:
        """The root logger's level: Azure's worker hands on no debug lines without `PYTHON_ENABLE_DEBUG_LOGGING`."""
        lowest = min(self._by_category.values())
        wanted = self._overridden or settings.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in ("1", "true")
        return lowest if wanted else max(lowest, logging.INFO)

    def _find(self, category: str) -> int:
        while category:
            if category in self._by_category:
                return self._by_category[category]
            category = category.rpartition(".")[0]
        return self._by_category["default"]


def _level(name: str) -> int:
    return _LEVELS.get(name.lower(), logging.INFO)


class InvocationLog:
    """Knows the running invocations, so that lines written inside them name function and trace."""

    def __init__(self, levels: LogLevels) -> None:
        self.running: dict[str, RunningInvocation] = {}
        self._levels = levels
        self._logger = get_logger(RESULTS)
        self._write: Callable[[Mapping[str, Any]], None] | None = None

    def write_with(self, write: Callable[[Mapping[str, Any]], None]) -> None:
        """Write the lines of successful invocations past the logging machinery, which costs ten times as much."""
        self._write = write

    def finished(self, invocation: RunningInvocation, duration_s: float, traceback: str | None) -> None:
        """The one line of an invocation; a failure is an error and carries its traceback."""
        if (logging.INFO if traceback is None else logging.ERROR) < self._levels.threshold(RESULTS):
            return
        fields: dict[str, Any] = {
            "function": invocation.function,
            "invocation_id": invocation.invocation_id,
            "traceparent": invocation.trace_parent,
            "duration_ms": round(duration_s * 1000, 2),
        }
        if traceback is None and self._write is not None:
            self._write({"event": _SUCCEEDED, **fields, "level": "info", "logger": RESULTS})
        elif traceback is None:
            self._logger.info(_SUCCEEDED, **fields)
        else:
            self._logger.error("Executed (Failed)", exception=traceback.rstrip(), **fields)

    def passes(self, record: logging.LogRecord) -> bool:
        """Filter of the root handler."""
        invocation = self._current()
        if invocation is None:
            return record.levelno >= self._levels.threshold(record.name)
        return record.levelno >= self._levels.threshold(f"Function.{invocation.function}.User")

    def add_invocation(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """structlog processor for lines that functions write."""
        invocation = self._current()
        if invocation is not None:
            event.setdefault("function", invocation.function)
            event.setdefault("invocation_id", invocation.invocation_id)
            event.setdefault("traceparent", invocation.trace_parent)
        return event

    def _current(self) -> RunningInvocation | None:
        runtime = sys.modules.get("azure_functions_runtime")
        current = runtime.invocation_id_cv.get() if runtime is not None else None
        return self.running.get(current) if current is not None else None


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger of the host; apart from structlog's global configuration, which belongs to the app."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        cache_logger_on_first_use=True,
    )
    return logger


def configure(levels: LogLevels, group: str) -> InvocationLog:
    """Route all of this process's logs; returns what adds the invocation to them."""
    log = InvocationLog(levels)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter([*_SHARED, log.add_invocation], group))
    handler.addFilter(log.passes)
    logging.root.handlers[:] = [handler]
    if not sys.stderr.isatty():
        log.write_with(_line_writer(handler, group))
    logging.root.setLevel(levels.of_root(os.environ))
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(levels.threshold(name), logging.WARNING))
    return log


def _line_writer(handler: logging.StreamHandler[TextIO], group: str) -> Callable[[Mapping[str, Any]], None]:
    """Writes one JSON object a line to the handler's stream, as its formatter would."""

    def write(event: Mapping[str, Any]) -> None:
        line = orjson.dumps({**event, "timestamp": datetime.now(UTC), "group": group}, option=orjson.OPT_UTC_Z)
        with handler.lock or nullcontext():
            handler.stream.write(line.decode() + "\n")
            handler.flush()

    return write


def _formatter(shared: list[structlog.typing.Processor], group: str) -> logging.Formatter:
    def add_group(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["group"] = group
        return event

    finish: list[structlog.typing.Processor]
    if sys.stderr.isatty():
        finish = [structlog.dev.ConsoleRenderer(pad_event_to=0, pad_level=False)]
    else:
        finish = [structlog.processors.format_exc_info, add_group, structlog.processors.JSONRenderer(_as_json)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish]
    )


def _as_json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
