"""Storage accounts: which connection string a binding names, and where its services answer.

`UseDevelopmentStorage=true` is Azurite at its well-known ports and with its well-known key
(https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from emulators.functions.settings import SettingsError, connection_setting

_DEVELOPMENT_NAME = "devstoreaccount1"
# Published by Microsoft for every installation of Azurite.
_DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_DEVELOPMENT_PORTS = {"blob": 10000, "queue": 10001}
_IDENTITY_PARTS = ("accountName", "blobServiceUri", "queueServiceUri", "serviceUri")


@dataclass(frozen=True)
class StorageAccount:
    """One account; `setting` is the app setting that holds its connection string."""

    setting: str
    connection: str
    endpoints: Mapping[str, str]
    is_development: bool

    def endpoint(self, service: str) -> str:
        """The address of `blob` or `queue`."""
        return self.endpoints[service]


def storage_account(name: str, settings: Mapping[str, str]) -> StorageAccount:
    """The account that a binding's `connection` names. Raises SettingsError."""
    text = connection_setting(name, settings)
    if text is None:
        raise SettingsError(_missing(name, settings))
    parts = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in text.split(";"))}
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        return _development(name, parts.get("developmentstorageproxyuri", "http://127.0.0.1"))
    endpoints = {service: _endpoint(parts, service) for service in _DEVELOPMENT_PORTS}
    if not all(endpoints.values()) or not ("accountkey" in parts or "sharedaccesssignature" in parts):
        raise SettingsError(
            f"the setting '{name}' is no storage connection string: it needs AccountName with AccountKey, or endpoints "
            "with SharedAccessSignature, or UseDevelopmentStorage=true for Azurite"
        )
    return StorageAccount(name, text, endpoints, is_development=False)


def _missing(name: str, settings: Mapping[str, str]) -> str:
    if any(settings.get(f"{name}__{part}") for part in _IDENTITY_PARTS):
        return (
            f"the settings '{name}__…' connect with an identity, which this host does not support: "
            f"set '{name}' to a connection string"
        )
    return (
        f"no storage endpoint is configured: set '{name}' in the app settings to the connection string of a storage "
        "account, or to UseDevelopmentStorage=true and start Azurite"
    )


def _development(name: str, host: str) -> StorageAccount:
    base = f"http://{urlsplit(host).hostname or '127.0.0.1'}"
    endpoints = {service: f"{base}:{port}/{_DEVELOPMENT_NAME}" for service, port in _DEVELOPMENT_PORTS.items()}
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={_DEVELOPMENT_NAME};AccountKey={_DEVELOPMENT_KEY};"
        f"BlobEndpoint={endpoints['blob']};QueueEndpoint={endpoints['queue']};"
    )
    return StorageAccount(name, connection, endpoints, is_development=True)


def _endpoint(parts: Mapping[str, str], service: str) -> str:
    """The one given, or one made of the account's name; empty when there is neither."""
    given = parts.get(f"{service}endpoint", "").rstrip("/")
    if given or not parts.get("accountname"):
        return given
    scheme = parts.get("defaultendpointsprotocol", "https")
    return f"{scheme}://{parts['accountname']}.{service}.{parts.get('endpointsuffix', 'core.windows.net')}"
