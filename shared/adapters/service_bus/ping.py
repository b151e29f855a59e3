"""Whether Service Bus answers: one look at a queue, over a link that stays open: to open one takes half a second."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from azure.core.exceptions import AzureError
from azure.servicebus.aio import ServiceBusReceiver

from shared.adapters.service_bus.connection import BusConnection
from shared.domain.errors import UnavailableError

_WAIT_S: Final = 4.0


class ServiceBusPing:
    """The probe of one queue without sessions. Not to be called twice at the same time."""

    def __init__(self, bus: BusConnection, queue: str) -> None:
        self._bus = bus
        self._queue = queue
        self._opened: AsyncExitStack | None = None
        self._receiver: ServiceBusReceiver | None = None

    async def __call__(self) -> None:
        """Look once; a link that has gone stale is opened anew. Raises UnavailableError."""
        try:
            async with asyncio.timeout(_WAIT_S):
                if self._receiver is not None and await self._answers(self._receiver):
                    return
                await self._close()
                await (await self._open()).peek_messages(max_message_count=1)
        except (AzureError, OSError, TimeoutError) as error:
            await self._close()
            raise UnavailableError("Service Bus does not answer", retry_after_s=5) from error

    async def _answers(self, receiver: ServiceBusReceiver) -> bool:
        try:
            await receiver.peek_messages(max_message_count=1)
        except (AzureError, OSError):
            return False
        return True

    async def _open(self) -> ServiceBusReceiver:
        stack = AsyncExitStack()
        self._opened = stack
        client = await stack.enter_async_context(self._bus.client())
        self._receiver = await stack.enter_async_context(client.get_queue_receiver(self._queue))
        return self._receiver

    async def _close(self) -> None:
        stack, self._opened, self._receiver = self._opened, None, None
        if stack is None:
            return
        try:
            async with asyncio.timeout(1):
                await stack.aclose()
        except (AzureError, OSError, TimeoutError):
            return  # a broken connection cannot be closed politely
