"""One directory for all tests: an API, a person's client, two services."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from emulators.entra.app import create_app
from emulators.entra.directory import Directory
from emulators.entra.keys import KeyStore
from emulators.entra.tokens import TokenIssuer

TENANT = "7b7a5a1e-0000-4000-8000-000000000001"
API = "7b7a5a1e-0000-4000-8000-000000000002"
PERSONAL_CLIENT = "7b7a5a1e-0000-4000-8000-000000000003"
SERVICE = "7b7a5a1e-0000-4000-8000-000000000004"
ALICE = "7b7a5a1e-0000-4000-8000-000000000005"
SECRET = "a-secret-of-a-service"
PASSWORD = "päss word&1"

DIRECTORY: dict[str, Any] = {
    "access_token_lifetime_s": 600,
    "tenants": [
        {
            "id": TENANT,
            "domains": ["example.test"],
            "applications": [
                {
                    "client_id": API,
                    "name": "API",
                    "app_id_uri": "api://shop",
                    "scopes": ["read", "write"],
                    "app_roles": ["buyer", "clerk"],
                },
                {"client_id": PERSONAL_CLIENT, "name": "CLI", "password_grant": True},
                {
                    "client_id": SERVICE,
                    "name": "Feed",
                    "secret": SECRET,
                    "assignments": [{"application": API, "roles": ["clerk"]}],
                },
            ],
            "users": [
                {
                    "id": ALICE,
                    "username": "alice@example.test",
                    "name": "Alice",
                    "password": PASSWORD,
                    "assignments": [{"application": API, "roles": ["buyer"]}],
                }
            ],
        }
    ],
}


@pytest.fixture(scope="session")
def key_store(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    return KeyStore.open(tmp_path_factory.mktemp("entra") / "keys")


@pytest.fixture
def entra(key_store: KeyStore) -> TestClient:
    directory = Directory.model_validate(DIRECTORY)
    issuer = TokenIssuer(key_store, "http://login.test", directory.access_token_lifetime_s)
    return TestClient(create_app(directory, issuer), base_url="http://login.test")


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    return tmp_path / "entra"
