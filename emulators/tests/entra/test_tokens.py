"""What a client gets from the token endpoint, checked as an API would check it."""

from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient

from emulators.tests.entra.conftest import ALICE, API, PASSWORD, PERSONAL_CLIENT, SECRET, SERVICE, TENANT

TOKEN = f"/{TENANT}/oauth2/v2.0/token"


def person(**changes: str) -> dict[str, str]:
    form = {
        "grant_type": "password",
        "client_id": PERSONAL_CLIENT,
        "scope": "openid api://shop/read",
        "username": "Alice@Example.test",
        "password": PASSWORD,
    }
    return form | changes


def service(**changes: str) -> dict[str, str]:
    form = {
        "grant_type": "client_credentials",
        "client_id": SERVICE,
        "client_secret": SECRET,
        "scope": "api://shop/.default",
    }
    return form | changes


def verified(entra: TestClient, token: str) -> dict[str, Any]:
    """Claims, after discovery, key look-up by kid, signature, issuer and audience checks."""
    metadata = entra.get("/example.test/v2.0/.well-known/openid-configuration").json()
    key_set = jwt.PyJWKSet.from_dict(entra.get(metadata["jwks_uri"]).json())
    key = key_set[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(token, key, ["RS256"], audience=API, issuer=metadata["issuer"])
    return claims


def test_a_user_token_carries_entra_claims(entra: TestClient) -> None:
    answer = entra.post(TOKEN, data=person())

    claims = verified(entra, answer.json()["access_token"])

    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["scope"] == "api://shop/read"
    assert claims["exp"] - claims["iat"] == answer.json()["expires_in"] == 600
    assert {name: claims[name] for name in ("oid", "tid", "aud", "azp", "ver", "scp", "roles", "name")} == {
        "oid": ALICE,
        "tid": TENANT,
        "aud": API,
        "azp": PERSONAL_CLIENT,
        "ver": "2.0",
        "scp": "read",
        "roles": ["buyer"],
        "name": "Alice",
    }
    assert claims["preferred_username"] == "alice@example.test"
    assert claims["nbf"] <= claims["iat"]
    assert claims["sub"] not in {ALICE, ""}


def test_a_service_token_has_roles_but_no_scopes(entra: TestClient) -> None:
    answer = entra.post(TOKEN, data=service())

    claims = verified(entra, answer.json()["access_token"])

    assert claims["roles"] == ["clerk"]
    assert claims["sub"] == claims["oid"] == SERVICE
    assert "scp" not in claims
    assert "preferred_username" not in claims


def test_default_scope_grants_every_scope(entra: TestClient) -> None:
    answer = entra.post(TOKEN, data=person(scope=f"{API}/.default"))

    assert verified(entra, answer.json()["access_token"])["scp"] == "read write"


def test_two_tokens_never_share_their_identifier(entra: TestClient) -> None:
    tokens = [entra.post(TOKEN, data=service()).json()["access_token"] for _ in range(2)]

    assert len({verified(entra, token)["uti"] for token in tokens}) == 2


@pytest.mark.parametrize(
    ("form", "status", "error", "number"),
    [
        ({}, 400, "invalid_request", 900144),
        (person(grant_type="implicit"), 400, "unsupported_grant_type", 70003),
        (person(client_id=ALICE), 400, "unauthorized_client", 700016),
        (person(client_id="' OR 1=1 --\x00"), 400, "unauthorized_client", 700016),
        (person(client_id=API), 400, "unauthorized_client", 700051),
        (person(password="wrong"), 400, "invalid_grant", 50126),
        (person(username="nobody@example.test"), 400, "invalid_grant", 50126),
        (person(scope="openid"), 400, "invalid_scope", 70011),
        (person(scope="api://shop/read api://shop/rule"), 400, "invalid_scope", 70011),
        (person(scope="api://other/read"), 400, "invalid_scope", 70011),
        (person(scope="api://shop/.default api://shop/read"), 400, "invalid_scope", 70011),
        (service(client_secret="wrong"), 401, "invalid_client", 7000215),
        (service(client_id=PERSONAL_CLIENT), 400, "unauthorized_client", 700051),
        (service(scope="api://shop/read"), 400, "invalid_scope", 1002012),
        (service(scope="api://other/.default"), 400, "invalid_scope", 1002012),
    ],
)
def test_refusals_carry_oauth_and_entra_codes(
    entra: TestClient, form: dict[str, str], status: int, error: str, number: int
) -> None:
    answer = entra.post(TOKEN, data=form, headers={"content-type": "application/x-www-form-urlencoded"})

    assert (answer.status_code, answer.json()["error"], answer.json()["error_codes"]) == (status, error, [number])
    assert answer.json()["error_description"].startswith(f"AADSTS{number}: ")
    assert set(answer.json()) >= {"timestamp", "trace_id", "correlation_id"}


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"grant_type": "password"}', "application/json", 400),
        (b"grant_type=password&grant_type=password", FORM, 400),
        (b"\xff\xfe\x00", FORM, 400),
        (b"username=%ff%fe", FORM, 400),
        (b"&".join(b"p%d=1" % number for number in range(60)), FORM, 400),
        (b"a=" + b"x" * 20_000, FORM, 413),
    ],
)
def test_hostile_bodies_are_refused_without_an_echo(
    entra: TestClient, body: bytes, content_type: str, status: int
) -> None:
    answer = entra.post(TOKEN, content=body, headers={"content-type": content_type})

    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")
    assert "xxxx" not in answer.text


def test_an_unknown_tenant_is_refused_everywhere(entra: TestClient) -> None:
    answers = [
        entra.get("/nowhere/v2.0/.well-known/openid-configuration"),
        entra.get("/nowhere/discovery/v2.0/keys"),
        entra.post("/nowhere/oauth2/v2.0/token", data=person()),
    ]

    assert [answer.json()["error_codes"] for answer in answers] == [[90002]] * 3
    assert {answer.status_code for answer in answers} == {400}


def test_wrong_methods_and_paths_are_client_errors(entra: TestClient) -> None:
    assert entra.get(TOKEN).status_code == 405
    assert entra.get("/../../etc/passwd").status_code == 404


def test_discovery_names_only_what_exists(entra: TestClient) -> None:
    metadata = entra.get(f"/{TENANT}/v2.0/.well-known/openid-configuration").json()

    assert metadata["issuer"] == f"http://login.test/{TENANT}/v2.0"
    assert metadata["token_endpoint"] == f"http://login.test{TOKEN}"
    assert metadata["grant_types_supported"] == ["client_credentials", "password"]
    assert "authorization_endpoint" not in metadata
