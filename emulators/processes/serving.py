"""What the servers' command lines share: their log, and how they serve until a signal or a failure ends them."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import structlog


def log_to_stderr() -> None:
    """Readable on a terminal, JSON otherwise; standard output holds the readiness line only."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def stop_signals() -> asyncio.Event:
    """Set by SIGTERM or SIGINT from now on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def until_stopped(stop: asyncio.Event, failure: Coroutine[Any, Any, None]) -> None:
    """Wait for the event, or for `failure`, which never returns and raises what ended the server."""
    failed, stopped = asyncio.create_task(failure), asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait({failed, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    if failed in done:
        failed.result()
