"""Figures of the bus's queues: counts from the administration API, ages and dead letters by peeking.

Nothing is taken: a peeked message stays where it is, and its delivery is not counted.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError
from azure.servicebus import ServiceBusReceivedMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient

from shared.adapters.service_bus.connection import BusConnection
from shared.domain.errors import UnavailableError
from shared.ports.backlog import DeadLetter, QueueFigures

if TYPE_CHECKING:
    from azure.servicebus.aio.management import ServiceBusAdministrationClient

_WAIT_S = 4.0


class ServiceBusInspector:
    """`QueueInspector` on Service Bus.

    `sessionless` names the queues whose oldest message can be peeked; `certificate` is a PEM file to trust, where the
    administration API (always HTTPS) has a certificate of its own.
    """

    def __init__(
        self,
        bus: BusConnection,
        administration: BusConnection,
        queues: Sequence[str],
        sessionless: Sequence[str],
        certificate: str | None = None,
    ) -> None:
        self._bus = bus
        self._administration = administration
        self._queues = queues
        self._sessionless = frozenset(sessionless)
        self._certificate = certificate

    async def figures(self) -> Sequence[QueueFigures]:
        """See `QueueInspector.figures`."""
        try:
            async with (
                asyncio.timeout(_WAIT_S),
                self._bus.client() as client,
                _administration(self._administration, self._certificate) as administration,
            ):
                return await _together(self._figures(administration, client, name) for name in self._queues)
        except (AzureError, OSError, TimeoutError) as error:
            raise UnavailableError(
                "Service Bus does not answer: queues cannot be counted now", retry_after_s=5
            ) from error

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """See `QueueInspector.dead_letters`."""
        try:
            async with asyncio.timeout(_WAIT_S), self._bus.client() as client:
                found = await _together(_dead_letters(client, queue, limit) for queue in self._queues)
        except (AzureError, OSError, TimeoutError) as error:
            raise UnavailableError(
                "Service Bus does not answer: queues cannot be counted now", retry_after_s=5
            ) from error
        return [letter for letters in found for letter in letters][:limit]

    async def _figures(
        self, administration: "ServiceBusAdministrationClient", client: ServiceBusClient, name: str
    ) -> QueueFigures:
        oldest = await _oldest(client, name) if name in self._sessionless else None
        properties = await administration.get_queue_runtime_properties(name)
        return QueueFigures(name, properties.active_message_count, properties.dead_letter_message_count, oldest)


def _administration(connection: BusConnection, certificate: str | None) -> "ServiceBusAdministrationClient":
    # Only the backlog asks, and most processes never do.
    from azure.servicebus.aio.management import ServiceBusAdministrationClient  # noqa: PLC0415

    options: dict[str, Any] = {"connection_verify": certificate or True, "retry_total": 1}
    if connection.connection_string:
        return ServiceBusAdministrationClient.from_connection_string(connection.connection_string, **options)
    if connection.namespace:
        return ServiceBusAdministrationClient(connection.namespace, connection.identity.credential, **options)
    raise ValueError("SERVICE_BUS_ADMIN_CONNECTION or a namespace must be set")


async def _together[Answer](questions: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """All answers; the SDK takes half a second to open a link, so they are asked for side by side.

    Raises the first error once every question has ended: their client is closed next.
    """
    answers = await asyncio.gather(*questions, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


async def _dead_letters(client: ServiceBusClient, queue: str, limit: int) -> list[DeadLetter]:
    async with client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        return [_dead_letter(queue, message) for message in await receiver.peek_messages(max_message_count=limit)]


async def _oldest(client: ServiceBusClient, name: str) -> datetime | None:
    async with client.get_queue_receiver(name) as receiver:
        messages = await receiver.peek_messages(max_message_count=1)
    return messages[0].enqueued_time_utc if messages else None


def _dead_letter(queue: str, message: ServiceBusReceivedMessage) -> DeadLetter:
    return DeadLetter(
        queue=queue,
        sequence_number=message.sequence_number or 0,
        message_id=message.message_id,
        enqueued_at=message.enqueued_time_utc,
        delivery_count=message.delivery_count or 0,
        reason=message.dead_letter_reason,
        description=message.dead_letter_error_description,
    )
