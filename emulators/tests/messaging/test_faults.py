"""A fault of the server's own is answered, and concerns the request or the delivery that met it alone."""

import pytest
from azure.eventhub.exceptions import EventHubError
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusError
from structlog.testing import capture_logs

from emulators.messaging.event_hubs import EventHub
from emulators.messaging.queues import Queue
from emulators.messaging.server import MessagingServer
from emulators.tests.messaging.hubs import HUBS, producer
from emulators.tests.messaging.test_queues import receive
from emulators.tests.messaging.test_schedules import soon


def broken(*_arguments: object) -> None:
    raise KeyError("a fault of ours")


async def test_faulty_management_request_is_answered(client: ServiceBusClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Queue, "send", broken)
    async with client.get_queue_sender("plain") as sender:
        with capture_logs() as logs, pytest.raises(ServiceBusError, match="The server failed on this request"):
            await sender.schedule_messages(ServiceBusMessage("x"), soon())
    assert [(log["event"], log["operation"]) for log in logs] == [
        ("A management operation failed", "com.microsoft:schedule-message")
    ]


async def test_faulty_delivery_leaves_the_connection_open(
    client: ServiceBusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client.get_queue_sender("plain") as sender, client.get_queue_receiver("plain") as receiver:
        await sender.send_messages(ServiceBusMessage("before"))
        await receive(receiver)
        with monkeypatch.context() as patched:
            patched.setattr(Queue, "send", broken)
            with pytest.raises(ServiceBusError, match="The server failed on this message"):
                await sender.send_messages(ServiceBusMessage("x"))
        await sender.send_messages(ServiceBusMessage("after"))
        assert [str(message) for message in await receive(receiver)] == ["after"]


async def test_faulty_hub_request_is_answered(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventHub, "partition", broken)
    async with MessagingServer.start(dsn, HUBS) as server, producer(server) as client:
        with pytest.raises(EventHubError, match="Status code: 500"):
            await client.get_partition_properties("0")


@pytest.mark.parametrize("session_id", ["a\x00b", "x" * 129])
async def test_session_id_that_cannot_be_one_is_refused(client: ServiceBusClient, session_id: str) -> None:
    with pytest.raises(ServiceBusError, match="at most 128 characters without NUL"):
        await client.get_queue_receiver("lanes", session_id=session_id).__aenter__()
