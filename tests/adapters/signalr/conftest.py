"""One emulated service for each test: it starts in milliseconds."""

from collections.abc import AsyncIterator

import pytest

from emulators.tests.signalr.support import Service, running


@pytest.fixture
async def signalr() -> AsyncIterator[Service]:
    async with running() as service:
        yield service
