"""`OrderSagas`: one saga an id and one recovery an order, however often they are started."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import azure.durable_functions as df
import orjson
import pytest

from emulators.durable import open_task_hub
from emulators.processes.postgres import PostgresServer
from emulators.tests.durable.support import AppInvoker, served
from shared.adapters.durable.order_sagas import DurableOrderSagas
from shared.domain.errors import UnavailableError
from shared.domain.orders.order import OrderKey
from shared.ports.order_sagas import OrderSagas
from tests.fakes.order_sagas import RecordingSagas
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Engine:
    """An engine, and the inputs of what it runs: sagas and recoveries at work, and sagas that were woken."""

    sagas: OrderSagas
    at_work: Callable[[], Awaitable[list[dict[str, str]]]]
    woken: Callable[[], Awaitable[list[dict[str, str]]]]


@pytest.fixture
async def memory_engine() -> Engine:
    sagas = RecordingSagas()

    async def at_work() -> list[dict[str, str]]:
        running = set(sagas.started) - set(sagas.woken)
        return [_saga(each) for each in running] + [_recovery(each) for each in set(sagas.recovering)]

    async def woken() -> list[dict[str, str]]:
        return [_saga(each) for each in set(sagas.woken) & set(sagas.started)]

    return Engine(sagas, at_work, woken)


def _orchestrators() -> AppInvoker:
    """The two that the adapter names, as long as they wait."""
    app = AppInvoker()

    @app.orchestrator
    def order_saga(context: df.DurableOrchestrationContext) -> Iterator[Any]:
        return (yield context.wait_for_external_event("answered"))

    @app.orchestrator
    def order_recovery(context: df.DurableOrchestrationContext) -> Iterator[Any]:
        return (yield context.wait_for_external_event("never"))

    return app


@pytest.fixture
async def durable_engine(postgres_server: PostgresServer) -> AsyncIterator[Engine]:
    hub = await open_task_hub(postgres_server.create_database(f"durable_{uuid4().hex}"), "broker", {})
    await hub.start_worker(_orchestrators())
    async with served(hub) as (client, _):

        async def inputs(*statuses: df.OrchestrationRuntimeStatus) -> list[dict[str, str]]:
            found = await client.get_status_all()
            return [orjson.loads(each.input_) for each in found if each.runtime_status in statuses]

        async def at_work() -> list[dict[str, str]]:
            return await inputs(df.OrchestrationRuntimeStatus.Running, df.OrchestrationRuntimeStatus.Pending)

        async def woken() -> list[dict[str, str]]:
            return await inputs(df.OrchestrationRuntimeStatus.Completed)

        yield Engine(DurableOrderSagas(client), at_work, woken)
    await hub.drain(1.0)


@pytest.fixture(params=["memory", "durable"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(f"{request.param}_engine")


def _saga(saga_id: UUID) -> dict[str, str]:
    return {"saga_id": str(saga_id)}


def _recovery(key: OrderKey) -> dict[str, str]:
    return {"user_id": str(key.user_id), "order_id": str(key.order_id)}


def _by_id(inputs: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(inputs, key=str)


async def test_saga_started_again_and_again_runs_once(engine: Engine) -> None:
    one, other = uuid4(), uuid4()
    await asyncio.gather(*(engine.sagas.start(each) for each in (one, other, one)))
    await engine.sagas.start(one)
    assert _by_id(await engine.at_work()) == _by_id([_saga(one), _saga(other)])


async def test_answer_wakes_its_saga_alone(engine: Engine) -> None:
    one, other = uuid4(), uuid4()
    for saga_id in (one, other):
        await engine.sagas.start(saga_id)
    await engine.sagas.answered(one)
    assert await eventually(engine.woken) == [_saga(one)]
    assert await engine.at_work() == [_saga(other)]
    # Twice, or too late, is harmless.
    await engine.sagas.answered(one)
    await engine.sagas.answered(uuid4())
    assert await engine.at_work() == [_saga(other)]


async def test_an_order_has_one_recovery_at_a_time(engine: Engine) -> None:
    user_id = uuid4()
    keys = [OrderKey(user_id, uuid4()) for _ in range(2)]
    for key in (*keys, *keys):
        await engine.sagas.recover(key)
    assert _by_id(await engine.at_work()) == _by_id([_recovery(key) for key in keys])


class _AwayClient:
    """A Durable client whose engine does not answer."""

    def __getattr__(self, name: str) -> Any:
        async def call(*_: Any) -> None:
            raise ConnectionError("refused")

        return call


@pytest.mark.parametrize(
    "away", [RecordingSagas(away=True), DurableOrderSagas(_AwayClient())], ids=["memory", "durable"]
)
async def test_engine_that_is_away_is_unavailable(away: OrderSagas) -> None:
    for call in (away.start(uuid4()), away.answered(uuid4()), away.recover(OrderKey(uuid4(), uuid4()))):
        with pytest.raises(UnavailableError):
            await call
