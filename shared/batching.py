"""Natural batching: requests that wait in this process share one transaction; an idle process does not wait.

A batch that fails is halved until the bad item is alone, so one bad request does not fail the others.
Failures that do not concern the items (a dependency is unavailable) go to all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.domain.errors import BrokerError
from shared.halving import halve

type _Call[Item, Result] = tuple[Item, asyncio.Future[Result]]


class Batcher[Item, Result]:
    """Runs `process` over what has gathered while the previous batches ran.

    `process` answers one result per item, in order. At most `at_once` batches run. A batch takes items in order of
    arrival until their weights come to `most`; an item that weighs more goes alone.
    """

    def __init__(
        self,
        process: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = 50,
        at_once: int = 2,
        weigh: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        self._process = process
        self._most = most
        self._weigh = weigh
        self._at_once = at_once
        self._waiting: list[_Call[Item, Result]] = []
        self._running: set[asyncio.Task[None]] = set()

    @property
    def backlog(self) -> int:
        """Items that wait for a batch."""
        return len(self._waiting)

    async def submit(self, item: Item) -> Result:
        """The item's result; raises what `process` raised for it alone."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._running) < self._at_once:
            self._running.add(asyncio.create_task(self._drain()))
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                end = self._end_of_batch()
                batch, self._waiting = self._waiting[:end], self._waiting[end:]
                await self._run(batch)
        finally:
            # Here and not in a callback: an item submitted between the two would wait for a batch that has ended.
            self._running.discard(_this_task())

    def _end_of_batch(self) -> int:
        weight = 0
        for place, (item, _) in enumerate(self._waiting):
            weight += self._weigh(item)
            if weight > self._most:
                return max(place, 1)
        return len(self._waiting)

    async def _run(self, batch: Sequence[_Call[Item, Result]]) -> None:
        try:
            await halve(batch, self._answer, _refuse)
        except BrokerError as error:
            for _, future in batch:
                _give_up(future, error)

    async def _answer(self, batch: Sequence[_Call[Item, Result]]) -> Sequence[None]:
        results = await self._process([item for item, _ in batch])
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
        return [None] * len(batch)


async def _refuse(call: _Call[Any, Any], error: Exception) -> None:
    _, future = call
    _give_up(future, error)


def _give_up(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None, "batches run in tasks"
    return task
