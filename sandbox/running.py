"""A sandbox seen from outside, by its data folder: addresses, tokens, process ids. Works for a stopped one too."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sandbox.demo import DEMO_FILE, Demo
from sandbox.errors import SandboxError
from sandbox.files import read_json
from sandbox.folder import DataFolder
from sandbox.settings import Endpoints, Secrets

_TOKEN_TIMEOUT_S = 10


@dataclass(frozen=True)
class Running:
    """Reads the folder's files when asked, so that it follows restarts."""

    folder: DataFolder

    @classmethod
    def at(cls, path: Path) -> "Running":
        """The sandbox of this data folder, running or not. Raises SandboxError when there is none."""
        folder = DataFolder.at(path)
        if folder.format() is None:
            raise SandboxError(f"There is no sandbox in {folder.path}: start it with `make run`.")
        return cls(folder)

    @cached_property
    def endpoints(self) -> Endpoints:
        """Ports, secrets and people."""
        ports = read_json(self.folder.ports_file, "start the sandbox, which makes it again")
        password = (self.folder.postgres / "password").read_text().strip()
        return Endpoints(ports, Secrets.keep(self.folder), password, self.demo)

    @cached_property
    def demo(self) -> Demo:
        """The demo people that it was started with."""
        return Demo.read(Path(self.state().get("demo", DEMO_FILE)))

    @property
    def base_url(self) -> str:
        """Where the HTTP API is served. Raises SandboxError when the sandbox has never been up."""
        url = self.state().get("base_url")
        if not url:
            raise self._not_running()
        return str(url)

    @property
    def exchange_admin_url(self) -> str:
        """The exchange simulator's admin API."""
        return self.endpoints.exchange_admin_url

    def dsn(self, database: str = "broker") -> str:
        """libpq URI of `broker`, `durable`, `messaging` or `exchange`."""
        return self.endpoints.dsn(database)

    def app_settings(self) -> dict[str, str]:
        """The function app's settings."""
        return dict(read_json(self.folder.settings_file, "start the sandbox, which makes it again").get("Values", {}))

    def state(self) -> dict[str, Any]:
        """Contents of run.json: `state`, `pid`, `base_url`, `demo`, `parts` (name -> process id or null)."""
        return read_json(self.folder.state_file, "start the sandbox, which makes it again")

    def pids(self) -> Mapping[str, int | None]:
        """Process id of each part."""
        parts: dict[str, int | None] = self.state().get("parts", {})
        return parts

    def is_serving(self) -> bool:
        """True while its supervisor runs and everything has come up."""
        state = self.state()
        return state.get("state") == "serving" and _lives(int(state.get("pid", 0)))

    def token(self, name: str) -> str:
        """A bearer token of a demo user. Raises SandboxError."""
        user = self.demo.user(name)
        return self._token(
            {
                "grant_type": "password",
                "client_id": str(self.demo.command_line_client_id),
                "scope": f"{self.demo.api.app_id_uri}/.default",
                "username": self.demo.username(user),
                "password": self.endpoints.secrets.demo_password,
            }
        )

    def service_token(self, name: str) -> str:
        """A bearer token of a demo program, such as the market feed. Raises SandboxError."""
        service = next((service for service in self.demo.services if service.name == name), None)
        if service is None:
            raise SandboxError(
                f"There is no demo service {name!r}: choose one of {', '.join(s.name for s in self.demo.services)}."
            )
        return self._token(
            {
                "grant_type": "client_credentials",
                "client_id": str(service.client_id),
                "client_secret": self.endpoints.secrets.service_secret,
                "scope": f"{self.demo.api.app_id_uri}/.default",
            }
        )

    def _token(self, form: Mapping[str, str]) -> str:
        url = f"{self.endpoints.entra_url}/{self.demo.tenant_id}/oauth2/v2.0/token"
        request = urllib.request.Request(url, urllib.parse.urlencode(form).encode())  # noqa: S310 - our own address
        try:
            with urllib.request.urlopen(request, timeout=_TOKEN_TIMEOUT_S) as answer:  # noqa: S310
                return str(json.load(answer)["access_token"])
        except urllib.error.HTTPError as error:
            raise SandboxError(f"The Entra emulator refused: {error.read().decode(errors='replace')[:300]}") from error
        except OSError as error:
            raise self._not_running() from error

    def _not_running(self) -> SandboxError:
        return SandboxError(f"No sandbox is running on {self.folder.path}: start it with `make run`.")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
