"""The app's managed identity, for adapters that connect by it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.adapters.azure_identity import ManagedIdentity
from tests.support.managed_identity import IdentityEndpoint, identity_endpoint


@pytest.fixture
async def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[IdentityEndpoint]:
    """A running endpoint, which this process's environment names as in Azure."""
    async with identity_endpoint(tmp_path) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
async def identity(endpoint: IdentityEndpoint) -> AsyncIterator[ManagedIdentity]:
    """The app's identity there."""
    own = ManagedIdentity()
    yield own
    await own.close()
