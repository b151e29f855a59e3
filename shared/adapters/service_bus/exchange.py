"""Sends requests to the exchange's lanes: the `exchange-requests` queue, one session a lane.

One sender a process; waiting messages are sent together. A connection that fails is closed, and the next batch
opens a new one, so this process survives a restart of the bus.
"""

import asyncio
from collections.abc import Sequence

import structlog
from azure.core.exceptions import AzureError
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender

from shared.adapters.service_bus.connection import BusConnection
from shared.batching import Batcher
from shared.domain.errors import UnavailableError
from shared.ports.outbox import ExchangeMessage

QUEUE = "exchange-requests"
_WAIT_S = 5.0
_log = structlog.get_logger(__name__)


class ServiceBusExchange:
    """`Exchange` on Service Bus."""

    def __init__(self, connection: BusConnection) -> None:
        self._connection = connection
        self._client: ServiceBusClient | None = None
        self._sender: ServiceBusSender | None = None
        self._sending = asyncio.Lock()
        self._opening: asyncio.Task[None] | None = None
        self._batches: Batcher[ExchangeMessage, None] = Batcher(self._send, most=64, at_once=1)

    async def send(self, messages: Sequence[ExchangeMessage]) -> None:
        """See `Exchange.send`."""
        await asyncio.gather(*(self._batches.submit(message) for message in messages))

    def open_early(self) -> None:
        """Start opening the connection before the first order needs it: the SDK takes half a second."""
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        try:
            await self._send([])
        except UnavailableError as error:
            _log.warning("the connection to the bus could not be opened early", reason=str(error))
        except Exception:  # noqa: BLE001 - the first message meets it again, and whoever sends it gets the error
            _log.exception("opening the connection to the bus early failed")

    async def close(self) -> None:
        """Close the connection, also one that is being opened."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await self._disconnect()

    async def _disconnect(self) -> None:
        sender, client = self._sender, self._client
        self._sender = self._client = None
        if sender is not None:
            await sender.close()
        if client is not None:
            await client.close()

    async def _send(self, messages: Sequence[ExchangeMessage]) -> Sequence[None]:
        try:
            async with asyncio.timeout(_WAIT_S), self._sending:
                await self._transfer(messages)
        except (AzureError, OSError, TimeoutError) as error:
            await self._discard()
            raise UnavailableError("Service Bus does not accept messages to the exchange", retry_after_s=2) from error
        except Exception:
            await self._discard()
            raise
        return [None] * len(messages)

    async def _transfer(self, messages: Sequence[ExchangeMessage]) -> None:
        if self._sender is None:
            self._client = self._connection.client()
            self._sender = self._client.get_queue_sender(QUEUE)
            await self._sender.create_message_batch()  # opens the link
        if messages:
            await self._sender.send_messages([_message(each) for each in messages])

    async def _discard(self) -> None:
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._disconnect()
        except (AzureError, OSError, TimeoutError) as error:
            _log.warning("a broken bus connection did not close in time", reason=type(error).__name__)


def _message(message: ExchangeMessage) -> ServiceBusMessage:
    return ServiceBusMessage(
        message.body,
        message_id=str(message.message_id),
        session_id=message.lane,
        content_type="application/json",
    )
