"""How background tasks end is known to their owner."""

import asyncio

import pytest

from emulators.processes.background import Background, persistently


@pytest.mark.parametrize("error", [ValueError("a defect"), asyncio.CancelledError()], ids=["raised", "canceled"])
async def test_a_task_that_breaks_off_is_known(error: BaseException) -> None:
    async def breaks_off() -> None:
        raise error

    async def returns() -> None: ...

    background = Background()
    await background.start(returns(), "first")
    background.start(breaks_off(), "second")

    failure = await asyncio.wait_for(background.failed, 5)

    assert type(failure) is type(error)
    assert failure.__notes__ == ["in the background task 'second'"]


async def test_work_is_done_until_it_returns() -> None:
    outcomes: list[Exception | None] = [ValueError("a defect"), None, ValueError("not reached")]
    reported: list[Exception] = []

    async def work() -> None:
        if (error := outcomes.pop(0)) is not None:
            raise error

    await persistently(work, reported.append, pause_s=0)

    assert [str(error) for error in reported] == ["a defect"]
