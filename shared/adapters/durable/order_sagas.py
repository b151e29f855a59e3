"""`OrderSagas` on Durable Functions: starts and signals that may be repeated."""

import asyncio
from uuid import UUID

import azure.durable_functions as df

from shared.domain.errors import UnavailableError
from shared.domain.orders.order import OrderKey
from shared.ports.order_sagas import ANSWERED, Orchestrator

_WAIT_S = 5.0
_LIVE = frozenset(
    {
        df.OrchestrationRuntimeStatus.Running,
        df.OrchestrationRuntimeStatus.Pending,
        df.OrchestrationRuntimeStatus.Suspended,
    }
)


class DurableOrderSagas:
    """`OrderSagas` on the Durable client of one invocation.

    Starting is not idempotent there: a live id is refused and a finished one runs again. So a refusal counts
    as success when the id is live, and membership and progress live in the database, never in the id.
    """

    def __init__(self, client: df.DurableOrchestrationClient) -> None:
        self._client = client

    async def start(self, saga_id: UUID) -> None:
        """See `OrderSagas.start`."""
        await self._ensure_started(Orchestrator.ORDER_SAGA, f"saga-{saga_id}", {"saga_id": str(saga_id)})

    async def answered(self, saga_id: UUID) -> None:
        """See `OrderSagas.answered`."""
        instance_id = f"saga-{saga_id}"
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._client.raise_event(instance_id, ANSWERED, True)
        except Exception as error:
            if await self._is_live(instance_id):
                raise UnavailableError("The saga could not be woken", retry_after_s=1) from error

    async def recover(self, key: OrderKey) -> None:
        """See `OrderSagas.recover`."""
        user_id, order_id = key
        payload = {"user_id": str(user_id), "order_id": str(order_id)}
        await self._ensure_started(Orchestrator.ORDER_RECOVERY, f"recovery-{order_id}", payload)

    async def _ensure_started(self, orchestrator: Orchestrator, instance_id: str, payload: dict[str, str]) -> None:
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._client.start_new(orchestrator, instance_id, payload)
        except Exception as error:
            if not await self._is_live(instance_id):
                raise UnavailableError("The saga could not be started", retry_after_s=1) from error

    async def _is_live(self, instance_id: str) -> bool:
        try:
            async with asyncio.timeout(_WAIT_S):
                status = await self._client.get_status(instance_id)
        except Exception as error:
            raise UnavailableError("The saga engine is not available", retry_after_s=1) from error
        return status is not None and status.runtime_status in _LIVE
