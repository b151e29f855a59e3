"""The hub on Azure Event Hubs, through the official SDK; the partition key of a batch is its shard."""

import asyncio
from collections.abc import Sequence

import structlog
from azure.core.exceptions import AzureError
from azure.eventhub import EventData, EventDataBatch
from azure.eventhub.aio import EventHubProducerClient
from azure.eventhub.exceptions import EventHubError

from simulators.backoff import Backoff

HUB = "market-ticks"
_ATTEMPT_S = 10.0
_log = structlog.get_logger(__name__)


class EventHubs:
    """Sends to one hub; use as an asynchronous context."""

    def __init__(self, connection_string: str, hub: str = HUB) -> None:
        self.away = False
        self._connection_string = connection_string
        self._hub = hub
        self._client = self._connect()

    async def __aenter__(self) -> "EventHubs":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def send(self, shard: str, bodies: Sequence[bytes]) -> None:
        """Send the events, in this order, until the hub has accepted all; after a failure some may arrive twice."""
        backoff, sent = Backoff(), 0
        while sent < len(bodies):
            client = self._client
            try:
                async with asyncio.timeout(_ATTEMPT_S):
                    sent += await _send_batch(client, shard, bodies[sent:])
            except (AzureError, EventHubError, OSError, TimeoutError) as error:
                self._note(away=True, error=error)
                if client is self._client:
                    self._client = self._connect()
                    await client.close()
                await backoff.wait()
            else:
                self._note(away=False)

    def _connect(self) -> EventHubProducerClient:
        return EventHubProducerClient.from_connection_string(
            self._connection_string, eventhub_name=self._hub, retry_total=0
        )

    def _note(self, *, away: bool, error: BaseException | None = None) -> None:
        if away != self.away:
            self.away = away
            _log.warning("event_hubs_away" if away else "event_hubs_back", error=str(error)[:200] if error else None)


async def _send_batch(client: EventHubProducerClient, shard: str, bodies: Sequence[bytes]) -> int:
    """Send as many events as one batch holds; returns their number."""
    batch: EventDataBatch = await client.create_batch(partition_key=shard)
    added = 0
    for body in bodies:
        try:
            batch.add(EventData(body))
        except ValueError:
            if not added:
                raise
            break
        added += 1
    await client.send_batch(batch)
    return added
