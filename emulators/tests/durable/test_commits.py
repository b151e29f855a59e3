"""Group commits: what waits shares the next commit, and a bad item fails alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import errors

from emulators.durable.commits import CommitterClosedError, GroupCommitter
from emulators.tests.support.waiting import eventually


@asynccontextmanager
async def running(committer: GroupCommitter[int, int]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(committer.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_items_that_wait_share_the_next_commit() -> None:
    groups: list[list[int]] = []
    gate = asyncio.Event()

    async def commit(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        await gate.wait()
        return [item * 10 for item in items]

    committer = GroupCommitter(commit)
    async with running(committer):
        first = asyncio.create_task(committer.submit(1))
        await eventually(lambda: groups)
        others = [asyncio.create_task(committer.submit(n)) for n in (2, 3, 4)]
        await eventually(lambda: len(committer._waiting) == 3)
        gate.set()
        assert await asyncio.gather(first, *others) == [10, 20, 30, 40]
    assert groups == [[1], [2, 3, 4]]


async def test_a_bad_item_fails_alone() -> None:
    async def commit(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise psycopg.DataError("three")
        return list(items)

    committer = GroupCommitter(commit)
    async with running(committer):
        outcomes = await asyncio.gather(*(committer.submit(n) for n in range(6)), return_exceptions=True)
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [0, 1, 2, 4, 5]
    assert isinstance(outcomes[3], psycopg.DataError)


async def test_deadlocks_are_repeated_unseen() -> None:
    failures = iter([errors.DeadlockDetected("once"), errors.SerializationFailure("twice")])

    async def commit(items: Sequence[int]) -> list[int]:
        for failure in failures:
            raise failure
        return list(items)

    committer = GroupCommitter(commit)
    async with running(committer):
        assert await committer.submit(1) == 1


async def test_a_lost_connection_fails_everything_that_waits() -> None:
    async def commit(items: Sequence[int]) -> list[int]:
        raise psycopg.OperationalError("gone")

    committer = GroupCommitter(commit)
    async with running(committer) as task:
        outcomes = await asyncio.gather(*(committer.submit(n) for n in range(3)), return_exceptions=True)
        assert all(isinstance(outcome, CommitterClosedError) for outcome in outcomes)
        with pytest.raises(psycopg.OperationalError):
            await task
        with pytest.raises(CommitterClosedError):
            await committer.submit(4)
