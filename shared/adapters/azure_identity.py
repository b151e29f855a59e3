"""The app's managed identity in Azure."""

from azure.core.credentials_async import AsyncTokenCredential


def default_credential() -> AsyncTokenCredential:
    """What the environment offers. Its SDK takes a tenth of a start, and connection strings need none of it."""
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential()
