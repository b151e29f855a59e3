"""Access tokens: what is accepted, what is refused, and how keys are fetched, kept and rotated."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.adapters.entra.keys import KeySet
from shared.adapters.entra.tokens import EntraTokenVerifier
from shared.domain.errors import UnauthenticatedError, UnavailableError
from tests.edge.support import ALICE

ISSUER = "https://login.test/tenant/v2.0"
AUDIENCE = "0e0e0242-f835-54d1-8778-562a9cd3fe4e"
OLD, NEW, FOREIGN = (rsa.generate_private_key(65537, 2048) for _ in range(3))


def jwk(key: rsa.RSAPrivateKey, key_id: str) -> dict[str, Any]:
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}


@dataclass(frozen=True)
class Seconds:
    """A time relative to the moment the token is made."""

    from_now: int


def token(key: Any = OLD, key_id: str = "old", algorithm: str = "RS256", **claims: Any) -> str:
    now = int(time.time())
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "oid": str(ALICE),
        "roles": ["trader"],
        "scp": "access_as_user",
        **claims,
    }
    present = {
        name: now + value.from_now if isinstance(value, Seconds) else value
        for name, value in payload.items()
        if value is not None
    }
    return jwt.encode(present, key, algorithm, {"kid": key_id})


class Endpoint:
    """A JWKS endpoint whose keys and health can be changed."""

    def __init__(self) -> None:
        self.document: Any = {"keys": [jwk(OLD, "old")]}
        self.status = 200
        self.asked = 0
        self.url = ""

    async def serve(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.document, status=self.status)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    served = Endpoint()
    application = web.Application()
    application.router.add_get("/keys", served.serve)
    async with TestServer(application) as server:
        served.url = str(server.make_url("/keys"))
        yield served


@pytest.fixture
def verifier(endpoint: Endpoint) -> EntraTokenVerifier:
    return EntraTokenVerifier(KeySet(endpoint.url), issuer=ISSUER, audience=AUDIENCE)


async def test_person_is_known_by_oid_roles_and_scopes(verifier: EntraTokenVerifier) -> None:
    actor = await verifier.verify(token(scp="access_as_user other", roles=["trader", "admin"]))
    assert (actor.user_id, actor.roles, actor.scopes) == (
        ALICE,
        {"trader", "admin"},
        {"access_as_user", "other"},
    )
    assert not actor.is_app


async def test_service_is_known_by_its_token_type(verifier: EntraTokenVerifier) -> None:
    actor = await verifier.verify(token(scp=None, idtyp="app", roles=["market_feed"]))
    assert (actor.is_app, actor.roles, actor.scopes) == (True, {"market_feed"}, frozenset())


async def test_token_without_roles_claim_has_none(verifier: EntraTokenVerifier) -> None:
    assert (await verifier.verify(token(roles=None))).roles == frozenset()


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://login.test/other/v2.0"},
        {"iss": None},
        {"aud": "someone-else"},
        {"aud": None},
        {"exp": Seconds(-60)},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": Seconds(600)},
        {"nbf": None},
        {"iat": Seconds(600)},
        {"iat": None},
        {"oid": None},
        {"oid": "alice"},
        {"oid": 7},
        {"roles": "trader"},
        {"scp": ["access_as_user"]},
    ],
    ids=str,
)
async def test_wrong_or_missing_claims_are_refused(verifier: EntraTokenVerifier, claims: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(token(**claims))


async def test_expired_token_is_told_apart(verifier: EntraTokenVerifier) -> None:
    with pytest.raises(UnauthenticatedError, match="expired"):
        await verifier.verify(token(exp=int(time.time()) - 60))


async def test_clocks_may_differ_a_little(verifier: EntraTokenVerifier) -> None:
    now = int(time.time())
    await verifier.verify(token(exp=now - 10, nbf=now + 10, iat=now + 10))


def unsigned() -> str:
    return token(key=None, algorithm="none")


def hmac_over_public_key() -> str:
    public = OLD.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "old"}).encode()).rstrip(b"=")
    body = token().split(".")[1].encode()
    mac = hmac.digest(public, head + b"." + body, hashlib.sha256)
    return b".".join([head, body, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def with_header(header: Any) -> str:
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return ".".join([head, *token().split(".")[1:]])


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        hmac_over_public_key,
        lambda: token(FOREIGN),
        lambda: token(OLD, algorithm="RS512"),
        lambda: token(OLD, algorithm="PS256"),
        lambda: token()[:-8] + "AAAAAAAA",
        lambda: ".".join([*token().split(".")[:2], ""]),
        lambda: with_header({"alg": "RS256"}),
        lambda: with_header({"alg": "RS256", "kid": ["old"]}),
        lambda: with_header({"alg": "RS256", "kid": "old", "crit": ["x"], "x": 1}),
        lambda: with_header(["RS256"]),
        lambda: base64.urlsafe_b64encode(b"[" * 700).decode() + ".e30.x",
        lambda: "",
        lambda: "...",
        lambda: "a.b.c",
        lambda: "\u00e4.b.c",
        lambda: token() + ".x",
        lambda: "x" * 8193,
        lambda: "e30" * 500 + ".e30.e30",
    ],
)
async def test_forged_tokens_are_refused(verifier: EntraTokenVerifier, forge: Callable[[], str]) -> None:
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(forge())


async def test_verified_token_is_not_checked_again(
    verifier: EntraTokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = token()
    actor = await verifier.verify(text)
    monkeypatch.setattr("jwt.decode", None)
    assert await verifier.verify(text) is actor


async def test_remembered_token_is_checked_again_once_expired(
    verifier: EntraTokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = token(exp=int(time.time()) + 60)
    await verifier.verify(text)
    later = time.time() + 91
    monkeypatch.setattr("time.time", lambda: later)
    checked: list[str] = []

    def decode(text: str, *_: Any, **__: Any) -> None:
        checked.append(text)
        raise jwt.ExpiredSignatureError

    monkeypatch.setattr("jwt.decode", decode)
    with pytest.raises(UnauthenticatedError, match="expired"):
        await verifier.verify(text)
    assert checked == [text]


async def test_memory_of_tokens_is_bounded(endpoint: Endpoint) -> None:
    verifier = EntraTokenVerifier(KeySet(endpoint.url), issuer=ISSUER, audience=AUDIENCE, most=3)
    for number in range(5):
        await verifier.verify(token(oid=str(UUID(int=number))))
    assert len(verifier._verified) == 3


async def test_keys_are_fetched_once_for_many_tokens(verifier: EntraTokenVerifier, endpoint: Endpoint) -> None:
    for number in range(5):
        await verifier.verify(token(oid=str(UUID(int=number))))
    assert endpoint.asked == 1


async def test_rotated_key_is_fetched_when_first_seen(endpoint: Endpoint) -> None:
    verifier = EntraTokenVerifier(KeySet(endpoint.url, retry_s=0), issuer=ISSUER, audience=AUDIENCE)
    await verifier.verify(token())
    endpoint.document["keys"].append(jwk(NEW, "new"))
    await verifier.verify(token(NEW, "new"))
    assert endpoint.asked == 2


async def test_unknown_key_ids_cannot_flood_the_issuer(verifier: EntraTokenVerifier, endpoint: Endpoint) -> None:
    await verifier.verify(token())
    for number in range(20):
        with pytest.raises(UnauthenticatedError):
            await verifier.verify(token(FOREIGN, f"made-up-{number}"))
    assert endpoint.asked == 1


async def test_kept_keys_serve_while_the_issuer_is_away(endpoint: Endpoint) -> None:
    verifier = EntraTokenVerifier(KeySet(endpoint.url, fresh_s=0, retry_s=0), issuer=ISSUER, audience=AUDIENCE)
    await verifier.verify(token())
    endpoint.status = 503
    await verifier.verify(token(oid=str(UUID(int=1))))
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(token(NEW, "new"))
    await verifier.verify(token(oid=str(UUID(int=2))))


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"keys": []},
        {"keys": {}},
        {"keys": [{"kty": "EC", "kid": "old"}]},
        {"keys": [{"kty": "RSA", "kid": "old"}]},
        {"keys": [{"kty": "RSA", "kid": "old", "n": "AQ", "e": "AQAB"}]},
        {"keys": [{**jwk(OLD, "old"), "use": "enc"}]},
        {"keys": ["x" * 300_000]},
    ],
    ids=lambda document: str(document)[:40],
)
async def test_without_any_usable_key_nobody_can_be_judged(
    verifier: EntraTokenVerifier, endpoint: Endpoint, document: Any
) -> None:
    endpoint.document = document
    with pytest.raises(UnavailableError):
        await verifier.verify(token())


async def test_endpoint_that_refuses_connections_is_unavailable() -> None:
    verifier = EntraTokenVerifier(KeySet("http://127.0.0.1:9/keys"), issuer=ISSUER, audience=AUDIENCE)
    with pytest.raises(UnavailableError) as caught:
        await verifier.verify(token())
    assert caught.value.retry_after_s > 0
