"""`FinishedSagas`: what has finished is purged by when it was started; what runs stays."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import azure.durable_functions as df
import pytest

from emulators.durable import open_task_hub
from emulators.processes.postgres import PostgresServer
from emulators.tests.durable.support import AppInvoker, served
from shared.adapters.durable.finished_sagas import DurableFinishedSagas
from shared.domain.errors import UnavailableError
from shared.ports.housekeeping import FinishedSagas
from tests.fakes.housekeeping import MemoryFinishedSagas
from tests.support.waiting import eventually

_BEGINNING = datetime.fromtimestamp(0, UTC)
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Engine:
    """An engine that runs sagas until they are woken."""

    finished: FinishedSagas
    start: Callable[[str], Awaitable[object]]
    wake: Callable[[str], Awaitable[object]]
    """Let it finish, and wait until it has."""
    known: Callable[[], Awaitable[dict[str, datetime]]]
    """When each was started that the engine knows."""


@pytest.fixture
async def memory_engine() -> Engine:
    memory = MemoryFinishedSagas()

    async def start(saga: str) -> None:
        memory.running[saga] = datetime.now(UTC)

    async def wake(saga: str) -> None:
        memory.finished[saga] = memory.running.pop(saga)

    async def known() -> dict[str, datetime]:
        return memory.running | memory.finished

    return Engine(memory, start, wake, known)


def _orchestrators() -> AppInvoker:
    app = AppInvoker()

    @app.orchestrator
    def order_saga(context: df.DurableOrchestrationContext) -> Iterator[Any]:
        return (yield context.wait_for_external_event("answered"))

    return app


@pytest.fixture
async def durable_engine(postgres_server: PostgresServer) -> AsyncIterator[Engine]:
    hub = await open_task_hub(postgres_server.create_database(f"durable_{uuid4().hex}"), "broker", {})
    await hub.start_worker(_orchestrators())
    async with served(hub) as (client, _):

        async def start(saga: str) -> None:
            await client.start_new("order_saga", saga)

        async def wake(saga: str) -> None:
            async def is_finished() -> bool:
                return (await client.get_status(saga)).runtime_status is df.OrchestrationRuntimeStatus.Completed

            await client.raise_event(saga, "answered", True)
            await eventually(is_finished)

        async def known() -> dict[str, datetime]:
            found = await client.get_status_all()
            return {each.instance_id: each.created_time.replace(tzinfo=UTC) for each in found}

        yield Engine(DurableFinishedSagas(client), start, wake, known)
    await hub.drain(1.0)


@pytest.fixture(params=["memory", "durable"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(f"{request.param}_engine")


async def test_only_finished_sagas_are_purged_once(engine: Engine) -> None:
    for saga in ("a", "b", "c"):
        await engine.start(saga)
    for saga in ("a", "b"):
        await engine.wake(saga)
    assert await engine.finished.purge(_BEGINNING, datetime.now(UTC)) == 2
    assert set(await engine.known()) == {"c"}
    assert await engine.finished.purge(_BEGINNING, datetime.now(UTC)) == 0


async def test_purge_goes_by_the_time_of_the_start(engine: Engine) -> None:
    for saga in ("early", "late"):
        await engine.start(saga)
    for saga in ("late", "early"):
        await engine.wake(saga)
    started_at = await engine.known()
    assert await engine.finished.purge(_BEGINNING, started_at["early"] - _MOMENT) == 0
    assert await engine.finished.purge(started_at["early"], started_at["late"] - _MOMENT) == 1
    assert set(await engine.known()) == {"late"}


class _AwayClient:
    """A Durable client whose engine does not answer."""

    async def purge_instance_history_by(self, *_: Any) -> None:
        raise ConnectionError("refused")


_AWAY: Any = _AwayClient()


@pytest.mark.parametrize(
    "away", [MemoryFinishedSagas(away=True), DurableFinishedSagas(_AWAY)], ids=["memory", "durable"]
)
async def test_engine_that_is_away_is_unavailable(away: FinishedSagas) -> None:
    with pytest.raises(UnavailableError):
        await away.purge(_BEGINNING, datetime.now(UTC))
