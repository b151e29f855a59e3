"""Posting to addresses that users choose: what is reached, what is not, and what a hostile receiver costs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.webhooks import sender
from shared.adapters.webhooks.sender import AiohttpWebhookSender, is_public
from shared.ports.webhooks import Answered


@asynccontextmanager
async def receiver(answer: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def open_sender() -> AsyncIterator[AiohttpWebhookSender]:
    made = AiohttpWebhookSender(private_allowed=True)
    yield made
    await made.close()


async def test_body_and_headers_arrive_as_they_were_signed(open_sender: AiohttpWebhookSender) -> None:
    got = []

    async def answer(request: web.Request) -> web.Response:
        got.append((await request.read(), request.headers["webhook-id"], request.method))
        return web.Response(status=204)

    async with receiver(answer) as url:
        body = '{"a": "ü"}'.encode()
        assert await open_sender.post(url + "/x?y=1", body, {"webhook-id": "msg_1"}) == Answered(204)
    assert got == [(body, "msg_1", "POST")]


async def test_redirects_are_not_followed(open_sender: AiohttpWebhookSender) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with receiver(answer) as url:
        assert (await open_sender.post(f"{url}/first", b"{}", {})).status == 307
    assert asked == ["/first"]


async def test_endless_answers_cost_neither_time_nor_memory(
    open_sender: AiohttpWebhookSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_LONGEST_S", 0.3)

    async def endless(request: web.Request) -> web.StreamResponse:
        if request.path == "/silent":
            await asyncio.sleep(60)
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with receiver(endless) as url:
        started = time.monotonic()
        assert (await open_sender.post(f"{url}/body", b"{}", {})).status == 200
        assert (await open_sender.post(f"{url}/silent", b"{}", {})).error == "no answer within 0.3 s"
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
async def test_addresses_of_this_machine_are_never_connected_to(host: str) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    closed = AiohttpWebhookSender()
    async with receiver(answer) as url:
        answered = await closed.post(f"{url.replace('127.0.0.1', host)}/", b"{}", {})
    await closed.close()
    assert (answered.status, asked) == (None, [])
    assert "is not public" in answered.error or "no connection" in answered.error


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("2002:0a00:0001::1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d822", True),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) == public


@pytest.mark.parametrize("url", ["https://no-such-host.invalid/", "http://127.0.0.1:1/", "https://[/", "ftp://x/"])
async def test_unreachable_addresses_are_an_answer_not_an_error(url: str, open_sender: AiohttpWebhookSender) -> None:
    answered = await open_sender.post(url, b"{}", {})
    assert (answered.status, bool(answered.error)) == (None, True)
