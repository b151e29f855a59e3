"""The client's side: negotiation, handshake, keep-alive, refusals, slow and hostile clients."""

import asyncio
import contextlib
import json

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from emulators.signalr.limits import Limits
from emulators.tests.signalr.support import HANDSHAKE, Service, running


async def test_negotiated_connection_keeps_its_id(service: Service) -> None:
    token = service.token("alice")
    headers = {"Authorization": f"Bearer {token}"}
    answer = await service.http.post(service.url + "/client/negotiate?hub=chat&negotiateVersion=1", headers=headers)
    document = answer.json()
    assert document["negotiateVersion"] == 1
    assert document["availableTransports"] == [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}]
    address = f"{service.url.replace('http', 'ws')}/client/?hub=chat&id={document['connectionToken']}"
    async with connect(address, additional_headers=headers) as websocket:
        await websocket.send(HANDSHAKE)
        assert await websocket.recv() == "{}\x1e"
        assert service.connection_ids() == [document["connectionId"]]
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, additional_headers=headers)
        assert refused.value.response.status_code == 409


async def test_connection_token_of_another_user_is_refused(service: Service) -> None:
    url = service.url + "/client/negotiate?hub=chat&negotiateVersion=1"
    answer = await service.http.post(url, headers={"Authorization": f"Bearer {service.token('alice')}"})
    address = f"{service.url.replace('http', 'ws')}/client/?hub=chat&id={answer.json()['connectionToken']}"
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{address}&access_token={service.token('mallory')}")
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize("hub", ["prices", "", "1"])
async def test_token_of_another_hub_opens_nothing(service: Service, hub: str) -> None:
    token = service.token("alice")
    answer = await service.http.post(f"{service.url}/client/negotiate?hub={hub}&access_token={token}")
    assert answer.status_code == (401 if hub == "prices" else 400)
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{service.url.replace('http', 'ws')}/client/?hub={hub}&access_token={token}")
    assert refused.value.response.status_code == answer.status_code


async def test_page_of_any_origin_may_negotiate(service: Service) -> None:
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    answer = await service.http.options(service.url + "/client/negotiate?hub=chat", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"asrs.s.uid": "a", "nameid": "b"}, "a"),
        ({"nameid": "b", "sub": "c"}, "b"),
        ({"sub": "c"}, "c"),
    ],
)
async def test_user_id_comes_from_the_token(service: Service, claims: dict[str, str], user: str) -> None:
    async with service.client(**claims):
        assert list(service.registry.hub("chat").users) == [user]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ('{"protocol":"protobuf","version":1}\x1e', "The protocol 'protobuf' is not supported."),
        ('{"protocol":"json","version":9}\x1e', "does not support version 9"),
        ("[]\x1e", "must be a JSON object"),
        ("no json\x1e", "Error reading JSON."),
    ],
)
async def test_wrong_handshake_is_answered_and_ended(service: Service, request_: str, words: str) -> None:
    async with service.open() as client:
        await client.socket.send(request_)
        assert words in (await client.receive_any())["error"]
        await client.closed()


async def test_handshake_may_come_in_pieces(service: Service) -> None:
    async with service.open() as client:
        await client.socket.send(HANDSHAKE[:9])
        await client.socket.send(HANDSHAKE[9:].encode())
        assert await client.receive_any() == {}


async def test_missing_handshake_ends_the_connection() -> None:
    async with running(Limits(handshake_timeout_s=0.2)) as service, service.open() as client:
        await client.closed()


async def test_client_that_invokes_is_sent_away(service: Service) -> None:
    async with service.client() as client:
        await client.send({"type": 1, "target": "hello", "arguments": []})
        message = await client.receive()
        assert message["type"] == 7
        assert "serverless mode" in message["error"]
        assert "allowReconnect" not in message
        await client.closed()


async def test_idle_client_is_pinged_then_timed_out() -> None:
    async with running(Limits(keep_alive_s=0.1, client_timeout_s=0.5)) as service, service.client() as client:
        assert await client.receive_any() == {"type": 6}
        message = await client.receive()
        assert "ClientTimeoutInterval" in message["error"]
        await client.closed()


async def test_pinging_client_stays_connected() -> None:
    async with running(Limits(keep_alive_s=0.1, client_timeout_s=0.5)) as service, service.client() as client:
        for _ in range(12):
            assert await client.receive_any() == {"type": 6}
            await client.send({"type": 6})
        assert service.connection_ids()


async def test_token_may_ask_for_its_end() -> None:
    limits = Limits(keep_alive_s=0.2)
    async with running(limits) as service, service.client(**{"asrs.s.coae": "true", "asrs.s.aeo": "1"}) as client:
        message = await client.receive()
        assert message == {"type": 7, "error": "The access token expired.", "allowReconnect": True}


async def test_close_message_of_the_client_ends_it(service: Service) -> None:
    async with service.client() as client:
        await client.send({"type": 7})
        await client.closed()
    await service.eventually(lambda: not service.connection_ids())


async def test_connections_over_the_limit_are_refused() -> None:
    async with running(Limits(max_connections=1)) as service, service.client():
        with pytest.raises(InvalidStatus) as refused:
            async with service.open():
                pass
        assert refused.value.response.status_code == 429
        url = f"{service.url}/client/negotiate?hub=chat&access_token={service.token()}"
        assert (await service.http.post(url)).status_code == 429


async def test_slow_client_is_cut_and_others_go_on() -> None:
    limits = Limits(max_queued_bytes=300_000)
    message = {"target": "t", "arguments": ["x" * 100_000]}
    async with running(limits) as service, service.client() as quick:
        slow = await _silent_client(service)
        await service.eventually(lambda: len(service.connection_ids()) == 2)

        async def reads() -> None:
            while len(service.connection_ids()) == 2:
                await quick.receive()

        reading = asyncio.create_task(reads())
        while len(service.connection_ids()) == 2:
            assert (await service.call("POST", "/api/v1/hubs/chat", message)).status_code == 202
        await reading
        assert service.connection_ids()
        slow.close()


async def test_closed_client_that_reads_nothing_lets_go() -> None:
    message = {"target": "t", "arguments": ["x" * 100_000]}
    async with running(Limits(close_timeout_s=0.3)) as service:
        silent = await _silent_client(service)
        await service.eventually(service.connection_ids)
        (connection,) = service.registry.hub("chat").connections.values()
        while not connection.transport.get_write_buffer_size():
            await service.call("POST", "/api/v1/hubs/chat", message)
        await service.call_new("POST", "/api/hubs/chat/:closeConnections")
        sockets = service.server.server_state.connections
        await service.eventually(lambda: not any(isinstance(one, WebSocketsSansIOProtocol) for one in sockets))
        silent.close()


async def _silent_client(service: Service) -> asyncio.StreamWriter:
    """A client that shakes hands and then reads nothing."""
    port = int(service.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"GET /client/?hub=chat&access_token={service.token()} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    payload = HANDSHAKE.encode()
    writer.write(bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
    return writer


@pytest.mark.parametrize(
    "frame",
    [
        "\x1e",
        "no json\x1e",
        '{"type":"x"}\x1e',
        '{"type":true}\x1e',
        "[" * 5000 + "\x1e",
        "x" * 3000,
        json.dumps({"type": 6, "x": "y" * 5000}) + "\x1e",
    ],
)
async def test_hostile_message_ends_that_connection_only(frame: str) -> None:
    async with running(Limits(max_message_bytes=2048)) as service, service.client() as bystander:
        async with service.client() as hostile:
            with contextlib.suppress(ConnectionClosed):
                await hostile.socket.send(frame)
            await hostile.closed()
        await service.eventually(lambda: len(service.connection_ids()) == 1)
        await service.call("POST", "/api/v1/hubs/chat", {"target": "still"})
        assert (await bystander.receive())["target"] == "still"


async def test_unknown_message_types_are_ignored(service: Service) -> None:
    async with service.client() as client:
        await client.send({"type": 99})
        await client.send({"type": 8, "sequenceId": 1})
        await service.call("POST", "/api/v1/hubs/chat", {"target": "still"})
        assert (await client.receive())["target"] == "still"


async def test_stopping_service_invites_clients_back() -> None:
    async with contextlib.AsyncExitStack() as stack:
        running_service = running()
        service = await running_service.__aenter__()
        client = await stack.enter_async_context(service.client())
        await running_service.__aexit__(None, None, None)
        message = await client.receive()
        assert message["allowReconnect"] is True


async def test_oversized_request_head_is_refused(service: Service) -> None:
    answer = await service.http.get(service.url + "/api/health", headers={"x": "y" * 20_000})
    assert answer.status_code == 431
