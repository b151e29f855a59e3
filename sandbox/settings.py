"""Secrets made at first start, and the app settings that point the function app at every service.

`local.settings.json` is written at every start: the sample's names with this folder's values; what
people add to it themselves is kept.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sandbox.demo import Demo
from sandbox.errors import SandboxError
from sandbox.files import read_json, write_json
from sandbox.folder import DataFolder

_SAMPLE = Path(__file__).parent.parent / "local.settings.sample.json"


@dataclass(frozen=True)
class Secrets:
    """What protects the parts from other users of the machine."""

    messaging_sas_key: str
    valkey_password: str
    demo_password: str
    service_secret: str
    signalr_key: str
    webhook_key: str
    cosmos_key: str

    @classmethod
    def keep(cls, folder: DataFolder) -> "Secrets":
        """Read the folder's secrets, making those that are missing. Raises SandboxError."""
        kept = read_json(folder.secrets_file, "restore a backup, or delete the file and new secrets are made")
        complete = {name: str(kept.get(name) or _new_secret()) for name in cls.__dataclass_fields__}
        if complete != kept:
            write_json(folder.secrets_file, complete)
        return cls(**complete)


@dataclass(frozen=True)
class Endpoints:
    """Where the parts of one sandbox listen, with the credentials to connect."""

    ports: Mapping[str, int]
    secrets: Secrets
    postgres_password: str
    demo: Demo

    def dsn(self, database: str) -> str:
        """libpq URI of a database."""
        password = quote(self.postgres_password, safe="")
        return f"postgresql://postgres:{password}@127.0.0.1:{self.ports['postgres']}/{database}"

    def dsn_without_password(self, database: str) -> str:
        """The same for command lines, which every user of the machine can read; needs PGPASSWORD."""
        return f"postgresql://postgres@127.0.0.1:{self.ports['postgres']}/{database}"

    @property
    def redis_url(self) -> str:
        return f"redis://:{quote(self.secrets.valkey_password, safe='')}@127.0.0.1:{self.ports['valkey']}/0"

    def service_bus(self, port_name: str = "messaging") -> str:
        """Service Bus connection string, in the form the SDK takes for the local emulator."""
        return (
            f"Endpoint=sb://127.0.0.1:{self.ports[port_name]};SharedAccessKeyName=RootManageSharedAccessKey;"
            f"SharedAccessKey={self.secrets.messaging_sas_key};UseDevelopmentEmulator=true;"
        )

    @property
    def cosmos_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['cosmos']}/"

    @property
    def signalr_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['signalr']}"

    @property
    def entra_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['entra']}"

    @property
    def feed_admin_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['feed_admin']}"

    @property
    def exchange_admin_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['exchange_admin']}"

    def app_settings(self) -> dict[str, str]:
        """Values that the sandbox decides; everything else comes from the sample."""
        tenant = f"{self.entra_url}/{self.demo.tenant_id}"
        return {
            "POSTGRES_URL": self.dsn("broker"),
            "REDIS_URL": self.redis_url,
            "SERVICE_BUS_CONNECTION": self.service_bus(),
            "EVENT_HUBS_CONNECTION": self.service_bus(),
            "SERVICE_BUS_ADMIN_CONNECTION": self.service_bus("messaging_admin"),
            "COSMOS_CONNECTION": f"AccountEndpoint={self.cosmos_url};AccountKey={self.secrets.cosmos_key};",
            "SIGNALR_CONNECTION": f"Endpoint={self.signalr_url};AccessKey={self.secrets.signalr_key};Version=1.0;",
            "WEBHOOK_KEYS": self.secrets.webhook_key,
            "WEBHOOK_PRIVATE_ADDRESSES": "true",
            "ENTRA_ISSUER": f"{tenant}/v2.0",
            "ENTRA_AUDIENCE": str(self.demo.api.client_id),
            "ENTRA_JWKS_URL": f"{tenant}/discovery/v2.0/keys",
            "EXCHANGE_API_URL": self.exchange_admin_url,
        }


def write_app_settings(folder: DataFolder, endpoints: Endpoints, port: int, extra: Mapping[str, str]) -> dict[str, str]:
    """Write local.settings.json; returns its values. Raises SandboxError when the present file is damaged."""
    sample = json.loads(_SAMPLE.read_bytes())["Values"]
    kept = read_json(folder.settings_file, "correct it, or delete it and it is made again").get("Values", {})
    if not isinstance(kept, dict):
        raise SandboxError(
            f"{folder.settings_file} is damaged ('Values' is no object): delete it and it is made again."
        )
    own = {"SERVICE_BUS_ADMIN_CA": str(folder.messaging_certificate), **endpoints.app_settings()}
    values = {**sample, **kept, **own, **extra}
    content = {"IsEncrypted": False, "Values": values, "Host": {"LocalHttpPort": port}}
    write_json(folder.settings_file, content)
    return {name: str(value) for name, value in values.items()}


def _new_secret() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
