"""One emulated service for each test: it starts in milliseconds."""

from collections.abc import AsyncIterator

import pytest

from emulators.tests.signalr.support import Service, running
from shared.adapters.redis import leases, presence
from shared.adapters.signalr import market


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Valkey may take longer than production waits for it."""
    monkeypatch.setattr(leases, "_PATIENCE_S", 5)
    monkeypatch.setattr(presence, "PATIENCE_S", 5)
    monkeypatch.setattr(market, "_LONGEST_S", 5)


@pytest.fixture
async def signalr() -> AsyncIterator[Service]:
    async with running() as service:
        yield service
