"""The pool when PostgreSQL neither answers nor ends its connections."""

import os
import signal

import pytest

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


async def _work(pool: Database, frozen: list[int], silent_at: str) -> None:
    """One transaction, whose server stops in the middle of it."""
    async with pool.connection() as connection:
        await connection.execute("CREATE TEMP TABLE written (one int)")
        frozen.append(connection.info.backend_pid)
        os.kill(frozen[0], signal.SIGSTOP)
        if silent_at == "statement":
            await connection.execute("SELECT 1")


async def _answers(pool: Database) -> bool:
    """The pool goes on with a new connection."""
    await pool.ping()
    return True
