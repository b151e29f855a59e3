"""The demo people: one file with fixed ids, from which the identity directory and the seed are derived."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import SandboxError

DEMO_FILE = Path(__file__).with_name("demo.json")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoUser(_Entry):
    """One person: `cash_inr` and `holdings` (instrument id -> shares) are deposited by the seed."""

    id: UUID
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    full_name: str
    roles: tuple[str, ...]
    kyc: str = "NOT_STARTED"
    cash_inr: Decimal = Decimal(0)
    holdings: Mapping[str, int] = {}


class DemoService(_Entry):
    """A program with its own identity."""

    client_id: UUID
    name: str
    roles: tuple[str, ...]


class DemoApi(_Entry):
    """The broker's own app registration; `client_id` is the audience of every token."""

    client_id: UUID
    app_id_uri: str
    scopes: tuple[str, ...]
    app_roles: tuple[str, ...]


class Demo(_Entry):
    """The whole demo file."""

    tenant_id: UUID
    domain: str
    api: DemoApi
    command_line_client_id: UUID
    services: tuple[DemoService, ...] = ()
    users: tuple[DemoUser, ...]

    @classmethod
    def read(cls, path: Path = DEMO_FILE) -> Self:
        """Read and check the file. Raises SandboxError."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise SandboxError(f"{path} cannot be read ({error.strerror}): name an existing demo file.") from error
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"]) or "the file"
            raise SandboxError(f"{path} is not a demo file: correct {where} ({fault['msg']}).") from error

    def user(self, name: str) -> DemoUser:
        """The user of this name. Raises SandboxError naming those that exist."""
        found = next((user for user in self.users if user.name == name), None)
        if found is None:
            raise SandboxError(
                f"There is no demo user {name!r}: choose one of {', '.join(u.name for u in self.users)}."
            )
        return found

    def username(self, user: DemoUser) -> str:
        """The sign-in name."""
        return f"{user.name}@{self.domain}"

    def identity_directory(self, password: str, service_secret: str) -> dict[str, Any]:
        """The Entra emulator's configuration for these people and programs."""
        return {
            "tenants": [
                {
                    "id": str(self.tenant_id),
                    "domains": [self.domain],
                    "applications": [
                        self._api(),
                        self._command_line(),
                        *(self._service(service, service_secret) for service in self.services),
                    ],
                    "users": [self._person(user, password) for user in self.users],
                }
            ]
        }

    def _api(self) -> dict[str, Any]:
        return {"name": "Broker API"} | self.api.model_dump(mode="json")

    def _command_line(self) -> dict[str, Any]:
        return {"name": "Sandbox", "client_id": str(self.command_line_client_id), "password_grant": True}

    def _service(self, service: DemoService, secret: str) -> dict[str, Any]:
        named = {"name": service.name, "client_id": str(service.client_id), "secret": secret}
        return named | {"assignments": self._assignments(service.roles)}

    def _person(self, user: DemoUser, password: str) -> dict[str, Any]:
        return {
            "id": str(user.id),
            "username": self.username(user),
            "name": user.full_name,
            "password": password,
            "assignments": self._assignments(user.roles),
        }

    def _assignments(self, roles: tuple[str, ...]) -> list[dict[str, Any]]:
        return [{"application": str(self.api.client_id), "roles": list(roles)}]
