"""What a client may not exhaust: memory, queue depth, connections, patience."""

import asyncio

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceiveMode, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusQuotaExceededError

from emulators.messaging.errors import Condition
from emulators.messaging.frames import AMQP_HEADER, write_frame
from emulators.messaging.limits import Limits
from emulators.messaging.performatives import Attach, Begin, Open, Transfer, write_source, write_target
from emulators.messaging.server import ServerSettings
from emulators.tests.messaging.conftest import StartServer
from emulators.tests.messaging.test_queues import receive, send


def _attach(handle: int) -> bytes:
    termini = {"source": write_source("s", None), "target": write_target("$cbs")}
    return write_frame(Attach(f"s{handle}", handle, role=False, **termini))


@pytest.mark.parametrize("mode", list(ServiceBusReceiveMode))
async def test_contents_outside_memory_arrive_in_order(start_server: StartServer, mode: ServiceBusReceiveMode) -> None:
    async with (
        start_server(ServerSettings(cache_bytes=0)) as server,
        ServiceBusClient.from_connection_string(server.connection_string) as client,
    ):
        await send(client, "plain", *(ServiceBusMessage(str(index)) for index in range(300)))
        async with client.get_queue_receiver("plain", receive_mode=mode, prefetch_count=50) as receiver:
            assert len(await receiver.peek_messages(max_message_count=10)) == 10
            messages = await receive(receiver, 300)
            for message in messages if mode is ServiceBusReceiveMode.PEEK_LOCK else ():
                await receiver.complete_message(message)
            assert await receiver.peek_messages(sequence_number=1) == []
    assert [str(message) for message in messages] == [str(index) for index in range(300)]


async def test_dead_letter_outside_memory_keeps_its_reason(start_server: StartServer) -> None:
    async with (
        start_server(ServerSettings(cache_bytes=0)) as server,
        ServiceBusClient.from_connection_string(server.connection_string) as client,
    ):
        await send(client, "plain", ServiceBusMessage("bad"))
        async with client.get_queue_receiver("plain") as receiver:
            [message] = await receive(receiver)
            await receiver.dead_letter_message(message, reason="why")
        async with client.get_queue_receiver("plain", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
            [dead] = await receive(dead_letters)
    assert (str(dead), dead.dead_letter_reason) == ("bad", "why")


async def test_full_queue_refuses_by_name(start_server: StartServer) -> None:
    async with (
        start_server(ServerSettings(max_messages=2)) as server,
        ServiceBusClient.from_connection_string(server.connection_string, retry_total=0) as client,
    ):
        await send(client, "plain", ServiceBusMessage("1"), ServiceBusMessage("2"))
        with pytest.raises(ServiceBusQuotaExceededError):
            await send(client, "plain", ServiceBusMessage("3"))


async def test_connection_beyond_the_limit_is_refused_by_name(start_server: StartServer) -> None:
    async with (
        start_server(ServerSettings(limits=Limits(max_connections=1))) as server,
        ServiceBusClient.from_connection_string(server.connection_string, retry_total=0) as client,
        client.get_queue_sender("plain"),
    ):
        reader, second = await asyncio.open_connection("127.0.0.1", server.port)
        second.write(AMQP_HEADER + write_frame(Open("second")))
        answer = await asyncio.wait_for(reader.read(), 10)
        second.close()
    assert Condition.RESOURCE_LIMIT.encode() in answer


async def test_connections_without_claims_keep_nobody_out(start_server: StartServer) -> None:
    """Half-open connections, five times as many as there may be: the oldest give way."""
    async with start_server(ServerSettings(limits=Limits(max_connections=20))) as server:
        connections = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(100)]
        for number, (_, writer) in enumerate(connections):
            writer.write((b"", AMQP_HEADER[:3], AMQP_HEADER + write_frame(Open("many")))[number % 3])
        async with ServiceBusClient.from_connection_string(server.connection_string, retry_total=0) as client:
            await send(client, "plain", ServiceBusMessage("served"))
        assert len(server._connections) <= 20
        for _, writer in connections:
            writer.close()


@pytest.mark.parametrize(
    "flood",
    [
        b"".join(write_frame(Begin(None, 0, 100, 100), channel) for channel in range(1, 20)),
        b"".join(_attach(handle) for handle in range(1, 20)),
        b"".join(write_frame(Transfer(0, 0, b"t", 0, more=True), payload=bytes(8000)) for _ in range(9)),
    ],
    ids=["sessions", "links", "an endless delivery"],
)
async def test_stranger_may_hold_no_more_than_a_claim_needs(start_server: StartServer, flood: bytes) -> None:
    async with start_server() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        opening = AMQP_HEADER + write_frame(Open("stranger")) + write_frame(Begin(None, 0, 100, 100)) + _attach(0)
        writer.write(opening)
        seen = b""
        while b"\x53\x13" not in seen:
            seen += await asyncio.wait_for(reader.read(65536), 10)
        writer.write(flood)
        while Condition.RESOURCE_LIMIT.encode() not in seen:
            part = await asyncio.wait_for(reader.read(65536), 10)
            assert part, seen
            seen += part
        writer.close()


async def test_silent_connections_are_closed(start_server: StartServer) -> None:
    limits = Limits(open_timeout_s=0.1, idle_timeout_s=0.1)
    async with start_server(ServerSettings(limits=limits)) as server:
        never_opened, first = await asyncio.open_connection("127.0.0.1", server.port)
        assert await asyncio.wait_for(never_opened.read(), 10) == b""
        silent, second = await asyncio.open_connection("127.0.0.1", server.port)
        second.write(AMQP_HEADER + write_frame(Open("silent")))
        assert Condition.CONNECTION_FORCED.encode() in await asyncio.wait_for(silent.read(), 10)
        first.close()
        second.close()
