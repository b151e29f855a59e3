"""Conformance: `call_http` of the unmodified SDK against a real HTTP server.

Source: https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-features and
TaskHttpActivityShim.cs in Azure/azure-functions-durable-extension.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest
from aiohttp import web

from emulators.durable.http_calls import HttpCaller, HttpCallFailedError, Postponed
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, decoded, finished, utc_now
from emulators.tests.support.waiting import eventually


class Site:
    """A long-running HTTP API: the work is accepted, then polled."""

    def __init__(self) -> None:
        self.url = ""
        self.polls_left = 2
        self.retry_after: str | None = "0"
        self.requests: list[tuple[str, str, dict[str, str], str]] = []

    async def start(self, request: web.Request) -> web.Response:
        await self._note(request)
        headers = {"Location": "/work/1"} | ({"Retry-After": self.retry_after} if self.retry_after else {})
        return web.Response(status=202, headers=headers)

    async def poll(self, request: web.Request) -> web.Response:
        await self._note(request)
        self.polls_left -= 1
        if self.polls_left > 0:
            return await self.start(request)
        return web.json_response({"done": True})

    async def echo(self, request: web.Request) -> web.Response:
        await self._note(request)
        return web.Response(status=int(request.query.get("status", "200")), text="echo", headers={"X-One": "1"})

    async def slow(self, request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async def _note(self, request: web.Request) -> None:
        self.requests.append((request.method, request.path, dict(request.headers), await request.text()))


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[Site]:
    app = web.Application()
    app.router.add_route("*", "/start", site.start)
    app.router.add_get("/work/1", site.poll)
    app.router.add_route("*", "/echo", site.echo)
    app.router.add_get("/slow", site.slow)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = "http://127.0.0.1:{1}".format(*runner.addresses[0][:2])
    try:
        yield site
    finally:
        await runner.cleanup()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving(Site()) as running:
        yield running


async def test_response_is_a_dictionary_whatever_its_status(open_hub: OpenHub, app: AppInvoker, site: Site) -> None:
    @app.orchestrator
    def ask(context: df.DurableOrchestrationContext) -> Any:
        headers = {"Content-Type": "application/json", "X-Two": "2"}
        return (yield context.call_http("POST", f"{site.url}/echo?status=404", {"a": 1}, headers))

    hub = await open_hub(app)
    await hub.client.start("ask", "a", None)
    answer = decoded((await finished(hub, "a")).output)
    assert (answer["statusCode"], answer["content"], answer["headers"]["X-One"]) == (404, "echo", "1")
    [(method, _, headers, body)] = site.requests
    assert (method, headers["X-Two"], json.loads(body)) == ("POST", "2", {"a": 1})


async def test_accepted_work_is_polled_until_it_is_done(open_hub: OpenHub, app: AppInvoker, site: Site) -> None:
    @app.orchestrator
    def ask(context: df.DurableOrchestrationContext) -> Any:
        answer = yield context.call_http("POST", f"{site.url}/start", "go")
        again = yield context.call_http("GET", f"{site.url}/echo")
        return [answer["statusCode"], answer["content"], again["statusCode"]]

    hub = await open_hub(app)
    await hub.client.start("ask", "a", None)
    assert decoded((await finished(hub, "a")).output) == [200, '{"done": true}', 200]
    assert [(method, path) for method, path, *_ in site.requests][:3] == [
        ("POST", "/start"), ("GET", "/work/1"), ("GET", "/work/1"),
    ]  # fmt: skip


async def test_polling_goes_on_in_the_next_worker(open_hub: OpenHub, app: AppInvoker, site: Site) -> None:
    site.retry_after, site.polls_left = None, 1

    @app.orchestrator
    def ask(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_http("POST", f"{site.url}/start"))["statusCode"]

    settings = {"httpSettings": {"defaultAsyncRequestSleepTimeMilliseconds": 1500}}
    first = await open_hub(app, **settings)
    await first.client.start("ask", "a", None)
    await eventually(lambda: site.requests)
    await eventually(lambda: first._worker is not None and first._worker._runner._later)
    await first.drain(0.5)
    second = await open_hub(app, **settings)
    assert decoded((await finished(second, "a")).output) == 200
    assert [path for _, path, *_ in site.requests] == ["/start", "/work/1"]


async def test_unreachable_server_fails_the_task(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def ask(context: df.DurableOrchestrationContext) -> Any:
        try:
            yield context.call_http("GET", "http://127.0.0.1:1/")
        except Exception as error:  # noqa: BLE001 - all that the SDK raises
            return str(error)

    hub = await open_hub(app)
    await hub.client.start("ask", "a", None)
    assert "HTTP call failed" in decoded((await finished(hub, "a")).output)


async def test_managed_identity_is_refused_in_a_sentence(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def ask(context: df.DurableOrchestrationContext) -> Any:
        source = df.ManagedIdentityTokenSource("https://graph.microsoft.com")
        yield context.call_http("GET", "http://127.0.0.1:1/", token_source=source)

    hub = await open_hub(app)
    await hub.client.start("ask", "a", None)
    assert "managed identity tokens are not emulated" in decoded((await finished(hub, "a")).output)


async def test_timeout_ends_a_slow_request(site: Site) -> None:
    caller = HttpCaller()
    with pytest.raises(HttpCallFailedError, match=r"timeout of 0\.05 s"):
        await caller.call(json.dumps({"method": "GET", "uri": f"{site.url}/slow", "timeout": "00:00:00.05"}))
    await caller.close()


async def test_retry_options_repeat_by_status_with_backoff(site: Site) -> None:
    options = {
        "firstRetryInterval": "00:00:10",
        "maxNumberOfAttempts": 3,
        "backoffCoefficient": 2,
        "statusCodesToRetry": [503],
    }
    caller = HttpCaller()
    text = json.dumps({"method": "GET", "uri": f"{site.url}/echo?status=503", "retryOptions": options})
    for pause_s in (10, 20):
        answer = await caller.call(text)
        assert isinstance(answer, Postponed)
        assert abs(answer.due_at - utc_now() - timedelta(seconds=pause_s)) < timedelta(seconds=2)
        text = answer.input
    with pytest.raises(HttpCallFailedError, match="503"):
        await caller.call(text)
    other = json.dumps({"method": "GET", "uri": f"{site.url}/echo?status=500", "retryOptions": options})
    result = await caller.call(other)
    assert isinstance(result, str)
    assert json.loads(result)["statusCode"] == 500
    await caller.close()
