"""The developers' page and the `history` command: what they show, and what they never show."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import azure.durable_functions as df
import pytest
from playwright.async_api import Page, async_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

from emulators.durable import DurableTaskHub
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, client_input, finished, serving
from emulators.tests.support.browser import QUIET

SECRET = "a-secret-payload"


@pytest.fixture
def app(app: AppInvoker) -> AppInvoker:
    app.activity_named("work", lambda value: f"{SECRET} {value}")

    @app.orchestrator
    def chain(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_activity("work", SECRET)
        yield context.create_timer(context.current_utc_datetime)
        return SECRET

    @app.orchestrator
    def broken(context: df.DurableOrchestrationContext) -> Any:
        raise ValueError(SECRET)
        yield

    return app


@asynccontextmanager
async def page_of(hub: DurableTaskHub) -> AsyncIterator[str]:
    async with serving(Starlette(routes=[Mount("/runtime/durable", routes=hub.page_routes())])) as base:
        yield f"{base}/runtime/durable"


async def test_page_lists_filters_and_shows_time_lines(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    await hub.client.start("chain", "one <b>", client_input(SECRET))
    await hub.client.start("broken", "two", None)
    await finished(hub, "one <b>")
    await finished(hub, "two")
    async with page_of(hub) as page, aiohttp.ClientSession() as session:
        listed = await (await session.get(f"{page}/?code=key")).text()
        assert "one &lt;b&gt;" in listed
        assert "<b>" not in listed
        assert "instances/one%20%3Cb%3E?code=key" in listed
        failed = await (await session.get(f"{page}/?status=Failed&prefix=t")).text()
        assert "two" in failed
        assert "one &lt;b" not in failed
        answer = await session.get(f"{page}/instances/one <b>")
        shown = await answer.text()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        for line in ("ExecutionStarted", "TaskScheduled", "TaskCompleted", "TimerFired", "ExecutionCompleted"):
            assert line in shown
        assert (await session.get(f"{page}/instances/nobody")).status == 404
        assert (await session.get(f"{page}/?after=nonsense")).status == 400
        assert SECRET not in listed + shown + await (await session.get(f"{page}/instances/two")).text()


async def test_page_goes_on_behind_fifty_instances(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub()
    for number in range(60):
        await hub.client.start("chain", f"n{number:02}", None)
    async with page_of(hub) as page, aiohttp.ClientSession() as session:
        first = await (await session.get(f"{page}/")).text()
        link = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        second = await (await session.get(page.removesuffix("/runtime/durable") + link)).text()
    assert "n49" in first
    assert "n50" not in first
    assert "n50" in second
    assert 'rel="next"' not in second


async def test_history_command_prints_a_time_line(
    session_dsn: str, hub_name: str, open_hub: OpenHub, app: AppInvoker
) -> None:
    hub = await open_hub(app)
    name = f"{hub_name}-chain"
    await hub.client.start("chain", name, client_input(SECRET))
    await finished(hub, name)
    text = _run("history", name, "--database", session_dsn)
    assert "TaskCompleted" in text.stdout
    assert "took" in text.stdout
    document = json.loads(_run("history", name, "--database", session_dsn, "--hub", hub_name, "--json").stdout)
    assert document["runtimeStatus"] == "Completed"
    assert [line["what"] for line in document["history"]] == [
        "ExecutionStarted", "TaskScheduled", "TaskCompleted", "TimerCreated", "TimerFired", "ExecutionCompleted",
    ]  # fmt: skip
    assert SECRET not in text.stdout + json.dumps(document)
    missing = _run("history", "nobody", "--database", session_dsn)
    assert (missing.returncode, missing.stderr) == (1, "error: no task hub has an instance 'nobody'\n")


@pytest.mark.slow
async def test_clicks_lead_from_filters_to_a_time_line(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    await hub.client.start("chain", "seen 1 <b>", client_input(SECRET))
    await hub.client.start("chain", "other", client_input(SECRET))
    await hub.client.start("broken", "seen-2", None)
    for name in ("seen 1 <b>", "other", "seen-2"):
        await finished(hub, name)
    async with page_of(hub) as address, _browser_page() as page:
        await page.goto(f"{address}/?code=key")
        assert await _listed(page) == {"seen 1 <b>", "other", "seen-2"}
        await page.get_by_label("Id begins with").fill("seen")
        await page.get_by_role("button", name="Show").click()
        assert await _listed(page) == {"seen 1 <b>", "seen-2"}
        await page.get_by_label("Status").select_option("Completed")
        await page.get_by_role("button", name="Show").click()
        assert await _listed(page) == {"seen 1 <b>"}
        await page.get_by_role("link", name="seen 1 <b>").click()
        assert await page.get_by_role("heading", level=1).inner_text() == "chain seen 1 <b>"
        events = await page.locator("tbody tr td:nth-child(3)").all_inner_texts()
        assert (events[0], events[-1]) == ("ExecutionStarted", "ExecutionCompleted")
        bars = page.locator("tbody .bar")
        assert await bars.count() == len(events)
        assert all(box["width"] > 0 for box in [await bar.bounding_box() for bar in await bars.all()] if box)
        text = await page.content()
        assert "•••• (" in text
        assert SECRET not in text
        await page.get_by_role("link", name="All instances").click()
        assert await _listed(page) == {"seen 1 <b>"}
        assert await page.get_by_label("Id begins with").input_value() == "seen"
        await page.get_by_label("Status").select_option("Failed")
        await page.get_by_role("button", name="Show").click()
        await page.get_by_role("link", name="seen-2").click()
        assert "TaskCompleted" not in await page.content()
        assert SECRET not in await page.content()
        assert "code=key" in page.url


@asynccontextmanager
async def _browser_page() -> AsyncIterator[Page]:
    """A page of a real Chromium; nothing on it may break a rule or fail to load."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or set CHROMIUM")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *QUIET])
        page = await browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        yield page
        await browser.close()
        assert faults == []


async def _listed(page: Page) -> set[str]:
    """The ids in the table of instances."""
    return set(await page.locator("tbody tr td:first-child").all_inner_texts())


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emulators.durable", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
