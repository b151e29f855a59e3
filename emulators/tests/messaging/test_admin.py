"""Figures through the unmodified ServiceBusAdministrationClient, and queues through the synchronous SDK."""

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusClient, ServiceBusMessage
from azure.servicebus.management import ServiceBusAdministrationClient

from emulators.messaging.cbs import SharedKey
from emulators.messaging.limits import Limits
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.tests.messaging.conftest import StartServer


def _use_queues(server: MessagingServer) -> list[str]:
    """Send, receive, complete, dead-letter and use a session, all blocking."""
    with ServiceBusClient.from_connection_string(server.connection_string) as client:
        with client.get_queue_sender("plain") as sender:
            sender.send_messages([ServiceBusMessage(name) for name in ("done", "dead", "held", "waiting")])
        with client.get_queue_sender("lanes") as sender:
            sender.send_messages(ServiceBusMessage("lane", session_id="s"))
        with client.get_queue_receiver("plain", prefetch_count=0) as receiver:
            done, dead, held = receiver.receive_messages(max_message_count=3, max_wait_time=10)
            receiver.complete_message(done)
            receiver.dead_letter_message(dead, reason="because")
            receiver.renew_message_lock(held)
        with client.get_queue_receiver("lanes", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=5) as lane:
            [message] = lane.receive_messages(max_wait_time=10)
            lane.complete_message(message)
    return [str(item) for item in (done, dead, held, message)]


def _figures(server: MessagingServer, certificate: Path) -> tuple[int | None, ...]:
    with ServiceBusAdministrationClient.from_connection_string(
        server.admin_connection_string, connection_verify=str(certificate), retry_total=0
    ) as admin:
        plain = admin.get_queue_runtime_properties("plain")
        assert admin.get_queue("lanes").requires_session is True
        assert "brisk" in {queue.name for queue in admin.list_queues()}
        with pytest.raises(ResourceNotFoundError):
            admin.get_queue_runtime_properties("nowhere")
    return plain.active_message_count, plain.dead_letter_message_count, plain.scheduled_message_count


async def test_administration_client_reads_what_the_queues_hold(start_server: StartServer, tmp_path: Path) -> None:
    certificate = tmp_path / "admin.pem"
    async with start_server(ServerSettings(admin_port=0, admin_certificate=certificate)) as server:
        assert await asyncio.to_thread(_use_queues, server) == ["done", "dead", "held", "lane"]
        assert await asyncio.to_thread(_figures, server, certificate) == (2, 1, 0)
        assert server.broker.queues["plain"].figures().locked == 1


async def test_administration_refuses_a_wrong_key(start_server: StartServer, tmp_path: Path) -> None:
    certificate = tmp_path / "admin.pem"
    settings = ServerSettings(admin_port=0, admin_certificate=certificate, shared_key=SharedKey("Other", "key"))

    def ask(string: str) -> None:
        with ServiceBusAdministrationClient.from_connection_string(string, connection_verify=str(certificate)) as admin:
            admin.get_queue("plain")

    async with start_server(settings) as server:
        string = server.admin_connection_string.replace("SharedAccessKey=key", "SharedAccessKey=no")
        with pytest.raises(HttpResponseError, match=r"401|Unauthorized|invalid signature"):
            await asyncio.to_thread(ask, string)


async def test_slow_connections_keep_nobody_out_of_administration(start_server: StartServer) -> None:
    """More connections than there may be, each with half a head; then the last of them wait in vain."""
    limits = Limits(open_timeout_s=5)
    async with start_server(ServerSettings(admin_port=0, limits=limits)) as server:
        connections = [await asyncio.open_connection("127.0.0.1", server.admin_port) for _ in range(300)]
        for _, writer in connections:
            writer.write(b"GET /plain HTTP/1.1\r\nHost: x\r\nX: ")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server.admin_port}/x") as answer:
            assert answer.status == 401
        for reader, writer in connections:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()


async def test_plain_http_answers_without_a_certificate(start_server: StartServer) -> None:
    async with (
        start_server(ServerSettings(admin_port=0)) as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.admin_port}") as session,
        session.get("/plain") as answer,
    ):
        assert answer.status == 401
