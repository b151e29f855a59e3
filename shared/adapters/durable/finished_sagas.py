"""`FinishedSagas` on Durable Functions."""

import asyncio
from datetime import datetime

import azure.durable_functions as df

from shared.domain.errors import UnavailableError

_WAIT_S = 60.0
_FINISHED = [
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
]


class DurableFinishedSagas:
    """`FinishedSagas` on the Durable client of one invocation; instances of recoveries among them."""

    def __init__(self, client: df.DurableOrchestrationClient) -> None:
        self._client = client

    async def purge(self, since: datetime, until: datetime) -> int:
        """See `FinishedSagas.purge`."""
        try:
            async with asyncio.timeout(_WAIT_S):
                purged = await self._client.purge_instance_history_by(since, until, _FINISHED)
        except Exception as error:
            raise UnavailableError("Finished sagas could not be purged", retry_after_s=60) from error
        return int(purged.instances_deleted)
