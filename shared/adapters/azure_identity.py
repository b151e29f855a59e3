"""The app's managed identity in Azure: one credential a process, made when it is first used.

In Azure the app settings `AZURE_CLIENT_ID` and `AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential` decide which
identity that is (learn.microsoft.com/python/api/azure-identity). The SDK keeps tokens and renews them before they end.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from shared.domain.errors import UnavailableError

_WAIT_S: Final = 4.0


def default_credential() -> AsyncTokenCredential:
    """What the environment offers. Its SDK takes a tenth of a start, and connection strings need none of it."""
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential()


class ManagedIdentity:
    """The process's one credential, and access tokens for services whose clients take a token as a password."""

    def __init__(self, make: Callable[[], AsyncTokenCredential] = default_credential) -> None:
        self._make = make
        self._credential: AsyncTokenCredential | None = None

    @property
    def credential(self) -> AsyncTokenCredential:
        """For SDKs that take one; they renew their tokens by themselves."""
        if self._credential is None:
            self._credential = self._make()
        return self._credential

    async def token(self, scope: str) -> str:
        """A valid access token, e.g. for `https://redis.azure.com/.default`. Raises UnavailableError."""
        try:
            async with asyncio.timeout(_WAIT_S):
                return (await self.credential.get_token(scope)).token
        except (AzureError, OSError, TimeoutError) as error:
            raise UnavailableError("The identity service gives no access token", retry_after_s=5) from error

    async def close(self) -> None:
        """Close its connections."""
        credential, self._credential = self._credential, None
        if credential is not None:
            await credential.close()
