"""The directory: tenants with their applications and users, read from one JSON file.

Rules: the file is checked whole at start, so a request never meets a half-valid directory; unknown
fields are refused; an assignment may only name roles that its application declares.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class DirectoryError(Exception):
    """The directory file cannot be used; the message names the file and the fault."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Assignment(_Entry):
    """App roles that one principal holds on one application."""

    application: UUID
    roles: tuple[str, ...] = ()


class Application(_Entry):
    """An app registration: an API (with scopes and roles), a client, or both.

    `password_grant` allows the demo grant, with which a client hands in a user's name and password;
    it is for sandboxes only and off unless said.
    """

    client_id: UUID
    name: str
    app_id_uri: str | None = None
    scopes: tuple[str, ...] = ()
    app_roles: tuple[str, ...] = ()
    secret: str | None = Field(default=None, min_length=16)
    password_grant: bool = False
    service_principal_id: UUID | None = None
    assignments: tuple[Assignment, ...] = ()

    def named(self, resource: str) -> bool:
        """True when `resource` is this application's identifier URI or client id."""
        return resource in {self.app_id_uri, str(self.client_id), f"api://{self.client_id}"}


class ManagedIdentity(_Entry):
    """The identity of one app in Azure: `principal_id` becomes `oid`; the header is the app's secret on its machine."""

    client_id: UUID
    principal_id: UUID
    name: str
    identity_header: str = Field(min_length=16)


class User(_Entry):
    """A person: `id` becomes `oid`, `username` becomes `preferred_username`."""

    id: UUID
    username: str
    name: str
    password: str = Field(min_length=8)
    assignments: tuple[Assignment, ...] = ()


class Tenant(_Entry):
    """One tenant, addressed by its id or one of its domains."""

    id: UUID
    domains: tuple[str, ...] = ()
    applications: tuple[Application, ...] = ()
    users: tuple[User, ...] = ()
    managed_identities: tuple[ManagedIdentity, ...] = ()

    @model_validator(mode="after")
    def _assignments_name_declared_roles(self) -> Self:
        principals: list[User | Application] = [*self.users, *self.applications]
        for principal in principals:
            for assignment in principal.assignments:
                application = self.application(str(assignment.application))
                if application is None:
                    raise ValueError(f"{principal.name} is assigned to an unknown application")
                unknown = set(assignment.roles) - set(application.app_roles)
                if unknown:
                    raise ValueError(f"{principal.name} holds undeclared roles {sorted(unknown)}")
        return self

    @cached_property
    def _applications(self) -> dict[str, Application]:
        return {str(application.client_id): application for application in self.applications}

    @cached_property
    def _users(self) -> dict[str, User]:
        return {user.username.casefold(): user for user in self.users}

    def application(self, client_id: str) -> Application | None:
        """The application registered under this client id."""
        return self._applications.get(client_id.lower())

    def resource(self, name: str) -> Application | None:
        """The API known by this identifier URI or client id."""
        return next((application for application in self.applications if application.named(name)), None)

    def user(self, username: str) -> User | None:
        """The user with this sign-in name, whatever its case."""
        return self._users.get(username.casefold())


class Directory(_Entry):
    """Everything the emulator knows; `access_token_lifetime_s` is Entra's hour unless said."""

    tenants: tuple[Tenant, ...] = Field(min_length=1)
    access_token_lifetime_s: int = Field(default=3600, ge=1, le=86_400)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the file. Raises DirectoryError."""
        try:
            return cls.model_validate(json.loads(path.read_bytes()))
        except OSError as error:
            raise DirectoryError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise DirectoryError(f"{path} is not a directory of tenants: {where}: {fault['msg']}") from error
        except ValueError as error:
            raise DirectoryError(f"{path} is not valid JSON") from error

    def tenant(self, name: str) -> Tenant | None:
        """The tenant with this id or domain."""
        wanted = name.casefold()
        return next((tenant for tenant in self.tenants if wanted in {str(tenant.id), *tenant.domains}), None)


def roles_on(principal: User | Application, resource: Application) -> tuple[str, ...]:
    """App roles that the principal holds on the resource, in the order of the file."""
    held = (a.roles for a in principal.assignments if a.application == resource.client_id)
    return tuple(role for roles in held for role in roles)
