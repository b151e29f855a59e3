"""A broker's core on a database of its own, and a second process beside it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from shared.adapters.postgres.database import Database
from tests.core.broker import Broker


@pytest.fixture
async def broker(database: Database, postgres_url: str) -> Broker:
    """Alice and Bob have money and shares."""
    made = Broker(database, postgres_url)
    await made.open_accounts()
    return made


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[Broker]:
    """Another process on the same database."""
    pool = Database(postgres_url, most=16)
    await pool.open()
    yield Broker(pool, postgres_url)
    await pool.close()


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """Drawing tracebacks takes longer than what they tell of."""
    with structlog.testing.capture_logs():
        yield
