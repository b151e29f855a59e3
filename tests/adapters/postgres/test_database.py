"""The pool when PostgreSQL does not answer, and when it comes back."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from sandbox.ports import free_port
from shared.adapters.postgres import database as database_module
from shared.adapters.postgres.database import Database
from shared.domain.errors import UnavailableError
from tests.support.waiting import eventually


@pytest.mark.parametrize("silent_at", ["statement", "commit"])
async def test_a_frozen_server_is_away_in_bounded_time(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, silent_at: str
) -> None:
    monkeypatch.setattr(database_module._Connection, "silence_s", 0.5)
    pool = Database(postgres_url, most=1)
    await pool.open()
    frozen: list[int] = []
    try:
        with pytest.raises(UnavailableError):
            await _work(pool, frozen, silent_at)
    finally:
        os.kill(frozen[0], signal.SIGCONT)
    await eventually(lambda: _answers(pool))
    await pool.close()


@pytest.mark.slow
async def test_the_pool_is_back_soon_after_a_long_outage(postgres_url: str) -> None:
    """Attempts that come ever more rarely would be as late as the outage was long."""
    server, port = _address(postgres_url)
    pool = Database(postgres_url.replace(f":{port}/", f":{(away := free_port())}/"), wait_s=0.5)
    await pool.open()
    until = asyncio.get_running_loop().time() + 8
    while asyncio.get_running_loop().time() < until:
        with pytest.raises(UnavailableError):
            await pool.ping()

    async with await asyncio.start_server(lambda *ends: _forward(server, port, *ends), "127.0.0.1", away):
        await eventually(lambda: _is_back(pool), timeout_s=4)
        await pool.close()


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("@")[2].partition("/")[0].partition(":")
    return host, int(port)


async def _forward(host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes both ways until one side ends."""
    there, back = await asyncio.open_connection(host, port)
    await asyncio.wait(
        [asyncio.create_task(_carry(reader, back)), asyncio.create_task(_carry(there, writer))],
        return_when=asyncio.FIRST_COMPLETED,
    )
    back.close()
    writer.close()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()


async def _is_back(pool: Database) -> bool:
    with suppress(UnavailableError):
        await pool.ping()
        return True
    return False


async def _work(pool: Database, frozen: list[int], silent_at: str) -> None:
    """One transaction, whose server stops in the middle of it."""
    async with pool.transaction() as connection:
        await connection.execute("CREATE TEMP TABLE written (one int)")
        frozen.append(connection.info.backend_pid)
        os.kill(frozen[0], signal.SIGSTOP)
        if silent_at == "statement":
            await connection.execute("SELECT 1")


async def _answers(pool: Database) -> bool:
    """The pool goes on with a new connection."""
    await pool.ping()
    return True
