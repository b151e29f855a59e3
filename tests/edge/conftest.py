"""The edge on small fakes of the use cases: no server, no store."""

import pytest

from tests.edge.support import App


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    fake = App()

    async def application() -> App:
        return fake

    monkeypatch.setattr("functions.edge.edge.application", application)
    return fake
