"""Background tasks that somebody owns: they are kept from being collected, and how they end is known."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any


class Background:
    """Tasks that are to run as long as their owner; `failed` is set when one raised or was cancelled before."""

    def __init__(self) -> None:
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run it beside everything else; it may return at any time."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            error.add_note(f"in the background task '{task.get_name()}'")
            self.failed.set_result(error)


async def persistently(
    work: Callable[[], Awaitable[None]], report: Callable[[Exception], object], pause_s: float = 1.0
) -> None:
    """Do the work until it returns, again after each exception: for what others rely on to go on for ever."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the work has to be done
            report(error)
        else:
            return
        await asyncio.sleep(pause_s)
