"""Entities and the developers' page through the whole host: another person's app, unmodified."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from emulators.processes.postgres import free_port
from emulators.tests.support.waiting import eventually

_APP = Path(__file__).parent / "host_app"


@pytest.fixture
async def host(tmp_path: Path, session_dsn: str) -> AsyncIterator[tuple[str, str]]:
    """A running host; yields its URL and its master key."""
    app = tmp_path / "app"
    shutil.copytree(_APP, app, ignore=shutil.ignore_patterns("__pycache__"))
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ("--app", str(app), "--port", str(port), "--database", session_dsn)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emulators.functions", *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually(lambda: _answers(f"{url}/admin/host/ping"), 60.0, 0.1)
        [keys] = app.rglob("keys.json")
        yield url, next(iter(json.loads(keys.read_text())["masterKey"].values()))
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.slow
async def test_blueprint_entities_work_in_the_host(host: tuple[str, str]) -> None:
    url, key = host
    async with aiohttp.ClientSession() as session:
        assert await (await session.get(f"{url}/api/use")).json(content_type=None) == [3, 1, "nope"]
        assert await (await session.get(f"{url}/api/read")).json(content_type=None) == [True, 3]
        assert (await session.get(f"{url}/runtime/durable/")).status == 401
        assert "Completed" in await (await session.get(f"{url}/runtime/durable", params={"code": key})).text()


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.request("GET", url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
