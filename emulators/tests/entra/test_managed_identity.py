"""Managed identities: the endpoint that App Service gives an app, called as azure-identity calls it."""

from typing import Any
from uuid import UUID

import jwt
import pytest
from starlette.testclient import TestClient

from emulators.entra.app import create_app
from emulators.entra.directory import Directory
from emulators.entra.keys import KeyStore
from emulators.entra.tokens import TokenIssuer
from emulators.tests.entra.conftest import TENANT

CLIENT, OTHER, PRINCIPAL = (f"7b7a5a1e-0000-4000-8000-00000000001{n}" for n in range(3))
HEADER, RESOURCE = "the-header-of-one-app", "https://redis.azure.com"
ASKED = {"resource": RESOURCE, "api-version": "2019-08-01"}


def identity(client_id: str, header: str = HEADER) -> dict[str, str]:
    return {"client_id": client_id, "principal_id": PRINCIPAL, "name": "app", "identity_header": header}


@pytest.fixture
def endpoint(key_store: KeyStore) -> TestClient:
    tenant = {"id": TENANT, "managed_identities": [identity(CLIENT), identity(OTHER, "the-header-of-another")]}
    directory = Directory.model_validate({"tenants": [tenant]})
    return TestClient(create_app(directory, TokenIssuer(key_store, "http://login.test", 600)))


def ask(endpoint: TestClient, header: str = HEADER, **parameters: str) -> Any:
    return endpoint.get("/msi/token", params=ASKED | parameters, headers={"X-IDENTITY-HEADER": header})


def test_token_names_the_app_and_the_resource_asked_for(endpoint: TestClient, key_store: KeyStore) -> None:
    body = ask(endpoint, client_id=CLIENT).raise_for_status().json()
    claims = jwt.decode(body["access_token"], key_store.signing.private.public_key(), ["RS256"], audience=RESOURCE)
    assert (claims["oid"], claims["appid"], claims["iss"]) == (PRINCIPAL, CLIENT, f"http://login.test/{TENANT}/")
    assert (body["token_type"], body["resource"], int(body["expires_on"])) == ("Bearer", RESOURCE, claims["exp"])
    UUID(body["client_id"])


def test_app_with_one_identity_need_not_name_it(endpoint: TestClient) -> None:
    assert ask(endpoint).raise_for_status().json()["client_id"] == CLIENT


@pytest.mark.parametrize(
    ("header", "parameters", "status"),
    [
        ("", {}, 401),
        ("the-header-of-nobody", {}, 401),
        (HEADER, {"client_id": OTHER}, 401),
        (HEADER, {"resource": ""}, 400),
        (HEADER, {"resource": "x" * 513}, 400),
        (HEADER, {"api-version": "2017-09-01"}, 400),
    ],
)
def test_others_and_bad_requests_get_no_token(
    endpoint: TestClient, header: str, parameters: dict[str, str], status: int
) -> None:
    answer = ask(endpoint, header, **parameters)
    assert (answer.status_code, "access_token" in answer.text) == (status, False)
