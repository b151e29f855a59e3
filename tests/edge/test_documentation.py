"""The document and the page, as they are served and as a real browser shows them."""

import asyncio
import base64
import hashlib
import re
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulators.processes.postgres import free_port
from functions.documentation import get_docs, get_docs_asset, get_openapi
from tests.edge.support import App, call

CHROMIUM = Path("/usr/bin/chromium")
# Without these a browser asks its maker's hosts for updates at every start.
QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


async def test_document_is_served_to_everybody(app: App) -> None:
    answer = await call(get_openapi, user=None)
    assert answer.json["openapi"] == "3.1.0"
    assert answer.headers["Cache-Control"] == "public, max-age=300"


async def test_page_may_run_its_own_scripts_alone(app: App) -> None:
    answer = await call(get_docs, user=None)
    [script] = re.findall(rb"<script>(.*?)</script>", answer.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'; " in answer.headers["Content-Security-Policy"]


async def test_page_fetches_nothing_from_elsewhere(app: App) -> None:
    page = (await call(get_docs, user=None)).body
    assert not re.search(rb"(?:src|href)=\"(?:https?:)?//|@import|url\(", page)


async def test_only_the_pages_own_files_are_served(app: App) -> None:
    style = await call(get_docs_asset, user=None, path={"asset": "swagger-ui.css"})
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css")
    for name in ("swagger-ui.js", "../__init__.py", "..%2f..%2fsetup.py", ""):
        assert (await call(get_docs_asset, user=None, path={"asset": name})).status == 404


@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
async def test_browser_shows_every_route_without_an_error(app: App) -> None:
    server = uvicorn.Server(uvicorn.Config(_site(), port=free_port(), log_level="warning"))
    serving = asyncio.create_task(server.serve())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", *QUIET])
        page = await browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        await page.goto(f"http://127.0.0.1:{server.config.port}/api/docs")
        await page.wait_for_selector(".opblock")
        paths = await page.locator(".opblock-summary-path").all_inner_texts()
        await browser.close()
    server.should_exit = True
    await serving
    assert faults == []
    assert any("/api/orders" in path.replace("\u200b", "") for path in paths)


def _site() -> Starlette:
    async def serve(request: Request) -> Response:
        name = request.path_params.get("asset")
        served = (
            get_openapi if request.url.path.endswith("openapi.json") else get_docs if name is None else get_docs_asset
        )
        answer = await call(served, user=None, path={} if name is None else {"asset": name})
        return Response(answer.body, answer.status, answer.headers)

    paths = ("/api/docs", "/api/docs/{asset}", "/api/openapi.json")
    return Starlette(routes=[Route(path, serve) for path in paths])
