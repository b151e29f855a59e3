"""What the edge admits and refuses: reject codes, idempotency, tokens, hostile bodies, limits, unknown paths."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from emulators.entra.keys import KeyStore
from tests.e2e.world import Broker, Client, Json, order_body
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("e2e")

REFUSED = [
    ({"instrument_id": "NSE:NOSUCH"}, "INSTRUMENT_UNKNOWN"),
    ({"product": "MIS"}, "PRODUCT_NOT_OFFERED"),
    ({"order_type": "STOP_LIMIT"}, "ORDER_TYPE_NOT_OFFERED"),
    ({"time_in_force": "GTC"}, "TIME_IN_FORCE_NOT_OFFERED"),
    ({"price": "1500.05"}, "TICK_SIZE"),
    ({"price": "1700.00"}, "PRICE_BAND"),
    ({"price": "1300.00", "side": "SELL"}, "PRICE_BAND"),
    ({"quantity": 20_001}, "QUANTITY_EXCEEDS_FREEZE"),
    ({"instrument_id": "NSE:ONGC", "price": "246.00", "quantity": 75_001}, "QUANTITY_EXCEEDS_LIMIT"),
    ({"quantity": 20_000}, "ORDER_VALUE_EXCEEDED"),
    ({"side": "SELL", "quantity": 1001}, "INSUFFICIENT_HOLDINGS"),
    ({"quantity": 700}, "INSUFFICIENT_FUNDS"),
]


@pytest.fixture(scope="module")
def refused_one(broker: Broker) -> Client:
    """A trader whose orders are all refused."""
    return broker.trader()


@pytest.mark.parametrize(("changes", "code"), REFUSED, ids=[f"{code}-{i}" for i, (_, code) in enumerate(REFUSED)])
def test_every_broken_rule_is_named(refused_one: Client, changes: Json, code: str) -> None:
    response = refused_one.place(**changes)

    problem = response.json()
    assert (response.status_code, response.headers["Content-Type"]) == (422, "application/problem+json")
    assert (problem["error_code"], problem["details"]["reject_code"]) == ("ORDER_REJECTED", code)
    assert problem["details"]["remedy"]
    order = refused_one.read(response.headers["Location"].removeprefix("/api"))
    assert (order["status"], order["reject_code"], order["leaves_quantity"]) == ("REJECTED", code, 0)


def test_a_client_order_id_is_used_up(trader: Client) -> None:
    first = trader.order(client_order_id="mine", price="1400.00", time_in_force="IOC")
    again = trader.place(client_order_id="mine", price="1400.00")
    refused = trader.place(client_order_id="refused-too", price="1500.05")
    after_refusal = trader.place(client_order_id="refused-too", price="1400.00")

    assert again.json()["details"] | {"remedy": ""} == {
        "reject_code": "DUPLICATE_CLIENT_ORDER_ID",
        "limit": first,
        "actual": "mine",
        "remedy": "",
    }
    assert (refused.status_code, after_refusal.status_code) == (422, 422)
    assert after_refusal.json()["details"]["reject_code"] == "DUPLICATE_CLIENT_ORDER_ID"


# --- idempotency --------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"price": "1400.00"}, {"price": "1500.05"}], ids=["accepted", "refused"])
def test_a_replay_is_the_same_to_the_byte(trader: Client, changes: Json) -> None:
    key = str(uuid4())
    first, second = trader.place(key=key, **changes), trader.place(key=key, **changes)

    assert second.content == first.content
    assert (second.status_code, second.headers["Location"]) == (first.status_code, first.headers["Location"])
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(trader.read("/orders")["items"]) == 1


def test_a_replay_that_waits_shows_the_present(trader: Client, other: Client) -> None:
    other.working(side="SELL")
    key = str(uuid4())
    trader.until(trader.place(key=key).json()["order_id"], "FILLED")

    replayed = trader.place(key=key, wait_s=5)
    assert replayed.json()["order"]["status"] == "FILLED"
    assert replayed.headers["Idempotency-Replayed"] == "true"


def test_a_key_with_another_body_is_refused(trader: Client) -> None:
    key = str(uuid4())
    trader.place(key=key, price="1400.00")

    reused = trader.place(key=key, price="1410.00")
    assert (reused.status_code, reused.json()["error_code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(trader.read("/orders")["items"]) == 1


def test_keys_belong_to_their_user(trader: Client, other: Client) -> None:
    key = str(uuid4())
    mine, yours = trader.place(key=key, price="1400.00"), other.place(key=key, price="1410.00")

    assert (mine.status_code, yours.status_code) == (202, 202)
    assert mine.json()["order_id"] != yours.json()["order_id"]


async def test_one_key_eight_times_is_one_order(broker: Broker, trader: Client) -> None:
    body, headers = order_body(price="1400.00"), trader.headers({"Idempotency-Key": str(uuid4())})

    async with httpx.AsyncClient(base_url=broker.sandbox.base_url, timeout=60) as http:
        answers = await asyncio.gather(*(http.post("/api/orders", json=body, headers=headers) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 7
    assert len(trader.read("/orders")["items"]) == 1


async def test_two_hundred_clients_at_once_are_served(broker: Broker) -> None:
    """100 pairs, each with a price of its own, so that each buyer can only meet his seller."""
    traders = [broker.trader() for _ in range(40)]
    bodies = [
        order_body(instrument_id=instrument, side=side, price=f"{base + tick / 10:.2f}", quantity=1)
        for instrument, base in (("NSE:TCS", 3100), ("NSE:RELIANCE", 1450))
        for tick in range(50)
        for side in ("SELL", "BUY")
    ]

    async with httpx.AsyncClient(
        base_url=broker.sandbox.base_url, timeout=120, limits=httpx.Limits(max_connections=200)
    ) as http:
        answers = await asyncio.gather(
            *(
                http.post("/api/orders", json=body, headers=traders[number % 40].headers({"Prefer": "wait=10"}))
                for number, body in enumerate(bodies)
            )
        )
    assert Counter(answer.status_code for answer in answers) == {202: 200}
    assert len({answer.json()["order_id"] for answer in answers}) == 200
    for answer, number in zip(answers, range(200), strict=True):
        traders[number % 40].until(answer.json()["order_id"], "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED")
    bought = sum(len(trader.read("/trades/me", limit=100)["items"]) for trader in traders)
    assert bought % 2 == 0
    assert bought > 100


# --- who may ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forge(broker: Broker) -> Callable[..., str]:
    """Make a token from alice's claims with changes, signed by a key of ours under the issuer's key id."""
    genuine = broker.client("alice").token
    claims = jwt.decode(genuine, options={"verify_signature": False})
    header = jwt.get_unverified_header(genuine)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def make(algorithm: str = "RS256", **changes: Any) -> str:
        secret: Any = {"RS256": key, "HS256": "x" * 32, "none": None}[algorithm]
        return jwt.encode(claims | changes, secret, algorithm, headers={"kid": header["kid"]})

    return make


@pytest.mark.parametrize("token", ["-", "nonsense", "a.b.c"])
def test_no_token_is_unauthenticated(broker: Broker, token: str) -> None:
    response = replace(broker.client("alice"), token=token).get("/orders")

    assert (response.status_code, response.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("algorithm", ["RS256", "HS256", "none"])
def test_a_forged_token_is_unauthenticated(broker: Broker, forge: Callable[..., str], algorithm: str) -> None:
    response = replace(broker.client("alice"), token=forge(algorithm)).get("/orders")

    assert (response.status_code, response.json()["error_code"]) == (401, "UNAUTHENTICATED")


@pytest.fixture(scope="module")
def issue(broker: Broker) -> Callable[..., str]:
    """Make a token with the issuer's own key: what only a careless issuer would sign."""
    key = KeyStore.open(next((broker.sandbox.data / "entra").rglob("*.pem")).parent).signing
    claims = jwt.decode(broker.client("alice").token, options={"verify_signature": False})

    def make(**changes: Any) -> str:
        return jwt.encode(claims | changes, key.private, "RS256", headers={"kid": key.kid})

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_700_000_000},
        {"nbf": 4_000_000_000},
        {"aud": "00000000-0000-0000-0000-000000000000"},
        {"iss": "https://login.example/v2.0"},
        {"oid": "nobody"},
        {"oid": None},
    ],
    ids=["expired", "not-yet", "other-audience", "other-issuer", "bad-user", "no-user"],
)
def test_a_signed_token_must_also_be_meant(broker: Broker, issue: Callable[..., str], changes: Json) -> None:
    response = replace(broker.client("alice"), token=issue(**changes)).get("/orders")

    assert (response.status_code, response.json()["error_code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("changes", [{"scp": "other"}, {"roles": []}, {"roles": ["market_feed"]}])
def test_a_token_without_role_or_scope_is_forbidden(broker: Broker, issue: Callable[..., str], changes: Json) -> None:
    response = replace(broker.client("alice"), token=issue(**changes)).get("/orders")

    assert (response.status_code, response.json()["error_code"]) == (403, "FORBIDDEN")
    assert replace(broker.client("alice"), token=issue()).get("/orders").status_code == 200


def test_a_changed_payload_breaks_the_signature(broker: Broker, forge: Callable[..., str]) -> None:
    header, _, signature = broker.client("alice").token.split(".")
    _, payload, _ = forge(oid=broker.client("bob").user_id).split(".")

    response = replace(broker.client("alice"), token=f"{header}.{payload}.{signature}").get("/orders")
    assert response.status_code == 401


def test_another_users_order_does_not_exist(trader: Client, other: Client) -> None:
    order_id = trader.working(price="1400.00")

    answers = [
        other.get(f"/orders/{order_id}"),
        other.get(f"/orders/{order_id}/history"),
        other.cancel(order_id),
        other.get(f"/trades/{trader.user_id}"),
        other.get(f"/portfolios/{trader.user_id}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert trader.read(f"/orders/{order_id}")["status"] == "NEW"


@pytest.mark.parametrize(
    "path", ["sagas", "in-doubt", "trial-balance", "backlog", "venue-reconciliation?trade_date=2026-11-23"]
)
def test_traders_may_not_see_operations(broker: Broker, path: str) -> None:
    response = broker.client("alice").get(f"/operations/{path}")

    assert (response.status_code, response.json()["error_code"]) == (403, "FORBIDDEN")


def test_staff_may_not_trade(broker: Broker) -> None:
    response = broker.client("olga").place()

    assert (response.status_code, response.json()["error_code"]) == (403, "FORBIDDEN")


def test_trading_needs_an_active_kyc(broker: Broker) -> None:
    response = broker.client("carol").place()

    assert (response.status_code, response.json()["error_code"]) == (403, "KYC_REQUIRED")
    assert response.json()["details"] == {"kyc_status": "NOT_STARTED"}


# --- what is no request -------------------------------------------------------------------------------

_ORDER = '"instrument_id":"NSE:INFY","side":"BUY","order_type":"LIMIT","product":"CNC","price":"1500.00"'
HOSTILE: Mapping[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "cut": (b'{"instrument_id":"NSE:INFY"', 400),
    "array": (b"[]", 400),
    "null": (b"null", 400),
    "not-utf8": (b'{"tag":"\xff\xfe"}', 400),
    "nan": (f'{{{_ORDER},"quantity":NaN}}'.encode(), 400),
    "float-quantity": (f'{{{_ORDER},"quantity":1.5}}'.encode(), 400),
    "text-quantity": (f'{{{_ORDER},"quantity":"10"}}'.encode(), 400),
    "boolean-quantity": (f'{{{_ORDER},"quantity":true}}'.encode(), 400),
    "negative-quantity": (f'{{{_ORDER},"quantity":-1}}'.encode(), 400),
    "huge-quantity": (f'{{{_ORDER},"quantity":{"9" * 400}}}'.encode(), 400),
    "twice": (f'{{{_ORDER},"quantity":1,"quantity":2}}'.encode(), 400),
    "unknown-field": (f'{{{_ORDER},"quantity":1,"user_id":"me"}}'.encode(), 400),
    "float-price": (f'{{{_ORDER.replace(chr(34) + "1500.00" + chr(34), "1500.00")},"quantity":1}}'.encode(), 400),
    "nul": (f'{{{_ORDER},"quantity":1,"tag":"a\\u0000b"}}'.encode(), 400),
    "sql": (f'{{{_ORDER},"quantity":1,"client_order_id":"x\' OR 1=1 --"}}'.encode(), 400),
    "deep": (b'{"tag":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    "large": (b'{"tag":"' + b"x" * 2_000_000 + b'"}', 413),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_one_problem_document(broker: Broker, refused_one: Client, name: str) -> None:
    raw, status = HOSTILE[name]
    headers = refused_one.headers({"Content-Type": "application/json"})
    response = broker.http.post("/api/orders", content=raw, headers=headers)

    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert {"type", "title", "error_code", "message", "request_id", "instance", "details"} <= problem.keys()
    assert "Traceback" not in response.text


def test_another_media_type_is_refused(broker: Broker, trader: Client) -> None:
    headers = trader.headers({"Content-Type": "text/plain"})
    response = broker.http.post("/api/orders", content=b"{}", headers=headers)

    assert (response.status_code, response.json()["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "path", ["/orders?limit=0", "/orders?limit=x", "/orders?cursor=nonsense", "/orders?nonsense=1", "/orders?status=X"]
)
def test_a_bad_query_names_the_parameter(trader: Client, path: str) -> None:
    response = trader.get(path)

    assert (response.status_code, response.json()["error_code"]) == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize(
    "order_id", ["nonsense", "01a20000-0000-7000-8000-000000000000", "..", "%00", "1; DROP TABLE orders"]
)
def test_an_order_id_of_nobody_is_not_found(trader: Client, order_id: str) -> None:
    response = trader.get(f"/orders/{order_id}")

    assert response.status_code == 404 or (order_id == ".." and response.status_code == 200)


# --- limits, health -----------------------------------------------------------------------------------


def test_cancels_are_limited_exactly(trader: Client) -> None:
    answers = [trader.cancel(str(uuid4())) for _ in range(31)]

    remaining = [int(answer.headers["RateLimit-Remaining"]) for answer in answers]
    assert [answer.status_code for answer in answers] == [404] * 30 + [429]
    assert remaining == [*range(29, -1, -1), 0]
    assert answers[30].json()["error_code"] == "RATE_LIMITED"
    assert 1 <= int(answers[30].headers["Retry-After"]) <= 60
    assert answers[30].headers["RateLimit-Limit"] == "30"


async def test_orders_at_once_are_limited_exactly(broker: Broker, trader: Client) -> None:
    """A replay is answered before the limiter counts, even when nothing is left."""
    key, body = str(uuid4()), order_body(price="1500.05")
    first = trader.place(key=key, price="1500.05")
    async with httpx.AsyncClient(base_url=broker.sandbox.base_url, timeout=60) as http:
        calls = (http.post("/api/orders", json=body, headers=trader.headers()) for _ in range(70))
        answers = await asyncio.gather(*calls)

    assert Counter(answer.status_code for answer in answers) == {422: 59, 429: 11}
    assert trader.place(key=key, price="1500.05").content == first.content
    assert len(trader.read("/orders", limit=100)["items"]) == 60


def test_health_needs_no_token(broker: Broker) -> None:
    def all_up() -> bool:
        response = broker.http.get("/api/health")
        states = {each["name"]: each["state"] for each in response.json()["dependencies"]}
        # No feed runs in these tests, and orders do not need one.
        found = (response.status_code, response.json()["status"], states.pop("market-data"), set(states.values()))
        return found == (200, "DEGRADED", "DOWN", {"UP"})

    wait_until(all_up, what="health of all dependencies")  # what no order needs comes up last


def test_the_document_lists_what_is_served(broker: Broker) -> None:
    document = broker.http.get("/api/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    assert {"post", "get"} <= document["paths"]["/api/orders"].keys() or "/orders" in document["paths"]
