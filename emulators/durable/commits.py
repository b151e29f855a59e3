"""Commits in groups: what waits while one commit runs shares the next one.

Purpose: a commit costs a disk flush however much it carries, so under load many writers share it, and
an idle engine waits for nobody (natural batching, no timer).
Rules: each item gets its own outcome or exception. A group that the database refuses because of its
content is halved until the bad item stands alone; deadlocks and serialization failures are repeated
unseen; any other database error ends the committer, and with it everything that waits.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import psycopg
from psycopg import errors

type Outcome[R] = R | Exception

_BAD_CONTENT = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
_REPEATABLE = (errors.DeadlockDetected, errors.SerializationFailure)


class CommitterClosedError(Exception):
    """The committer ended before the item was committed; whether it was is unknown."""


class LeaseLostError(Exception):
    """Another worker took a partition: what this session computed for it must not be committed."""


class GroupCommitter[T, R]:
    """Commits items given by `submit` with `commit`, one group at a time, in order of arrival."""

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]], max_items: int = 256) -> None:
        self._commit = commit
        self._max_items = max_items
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    async def submit(self, item: T) -> R:
        """Commit the item; returns when it is on disk. Raises what its commit raised, or CommitterClosedError."""
        if self._closed:
            raise CommitterClosedError
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._arrived.set()
        return await done

    async def run(self) -> None:
        """Commit until cancelled or until the database fails; may be called again after that."""
        self._closed = False
        group: list[tuple[T, asyncio.Future[R]]] = []
        try:
            while True:
                await self._arrived.wait()
                group = self._next_group()
                for (_, done), outcome in zip(group, await self._outcomes([i for i, _ in group]), strict=True):
                    _resolve(done, outcome)
        finally:
            self._closed = True
            for _, done in (*group, *self._waiting):
                _resolve(done, CommitterClosedError())

    def _next_group(self) -> list[tuple[T, asyncio.Future[R]]]:
        size = min(len(self._waiting), self._max_items)
        group = [self._waiting.popleft() for _ in range(size)]
        if not self._waiting:
            self._arrived.clear()
        return group

    async def _outcomes(self, items: Sequence[T]) -> Sequence[Outcome[R]]:
        try:
            return await self._repeat(items)
        except _BAD_CONTENT as error:
            if len(items) == 1:
                return [error]
        middle = len(items) // 2
        return [*await self._outcomes(items[:middle]), *await self._outcomes(items[middle:])]

    async def _repeat(self, items: Sequence[T]) -> Sequence[R]:
        while True:
            try:
                return await self._commit(items)
            except _REPEATABLE:
                continue


def _resolve[R](done: asyncio.Future[R], outcome: Outcome[R]) -> None:
    if done.done():
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
