"""Waiting for a condition, bounded: the only place where tests sleep."""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable

PATIENCE_S = 20.0


def wait_until[T](
    probe: Callable[[], T], timeout_s: float = PATIENCE_S, *, what: str = "it", interval_s: float = 0.02
) -> T:
    """The first truthy answer of `probe`; fails naming what did not come."""
    pause, deadline = threading.Event(), time.monotonic() + timeout_s
    while not (found := probe()):
        assert time.monotonic() < deadline, f"{what} did not come within {timeout_s:g} s"
        pause.wait(interval_s)
    return found


async def eventually[T](
    probe: Callable[[], T | Awaitable[T]], timeout_s: float = PATIENCE_S, interval_s: float = 0.005
) -> T:
    """The first truthy answer of `probe`, which may be asynchronous; fails when the time is up."""
    async with asyncio.timeout(timeout_s):
        while True:
            value = probe()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(interval_s)
