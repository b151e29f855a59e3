"""Who is let in, whose resource it is, and how refusals and accidents look."""

import asyncio

import pytest

from functions.doubts import resolve_doubt
from functions.edge.edge import Call, Endpoint, endpoint
from functions.edge.responses import Reply
from functions.orders import cancel_order, get_order, list_orders, place_order
from shared.contracts.problems import Problem
from shared.contracts.routes import health as health_routes
from shared.contracts.routes import orders as order_routes
from shared.domain.errors import (
    KycRequiredError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    StateConflictError,
    UnavailableError,
)
from tests.edge.support import ALICE, BOB, ORDER_ID, PLACE, Answer, App, call

ONE = {"order_id": str(ORDER_ID)}


def assert_problem(answer: Answer, status: int, code: str) -> Problem:
    assert answer.status == status
    problem = Problem.model_validate(answer.json)
    assert (problem.status, problem.error_code) == (status, code)
    assert problem.request_id == answer.headers["X-Request-Id"]
    return problem


async def test_missing_token_is_challenged_without_an_error(app: App) -> None:
    answer = await call(get_order, user=None, path=ONE)
    assert_problem(answer, 401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="broker"'
    assert not app.orders.calls


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "bearer forged", "alice", "Bearer alice,bob"])
async def test_bad_authorization_is_an_invalid_token(app: App, header: str) -> None:
    answer = await call(get_order, path=ONE, headers={"authorization": header})
    assert_problem(answer, 401, "UNAUTHENTICATED")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_bearer_scheme_ignores_case(app: App) -> None:
    assert (await call(get_order, path=ONE, headers={"authorization": "bEaReR alice"})).status == 200


@pytest.mark.parametrize("user", ["nobody", "olga"])
async def test_roles_of_the_table_are_required(app: App, user: str) -> None:
    assert_problem(await call(place_order, user=user, body=PLACE), 403, "FORBIDDEN")


async def test_person_without_the_scope_is_challenged(app: App) -> None:
    answer = await call(get_order, user="scopeless", path=ONE)
    assert_problem(answer, 403, "FORBIDDEN")
    assert 'error="insufficient_scope", scope="access_as_user"' in answer.headers["WWW-Authenticate"]


async def test_service_needs_its_role_alone(app: App) -> None:
    assert (await call(get_order, user="robot", path=ONE)).status == 200
    assert app.orders.calls == [("get", BOB, ORDER_ID)]


@pytest.mark.parametrize("named", ["me", str(ALICE), str(ALICE).upper()])
async def test_owner_reaches_own_resource_by_any_name(app: App, named: str) -> None:
    assert (await call(get_order, path=ONE, query={"user_id": named})).status == 200
    assert app.orders.calls == [("get", ALICE, ORDER_ID)]


async def test_other_users_resource_does_not_exist(app: App) -> None:
    assert_problem(await call(get_order, path=ONE, query={"user_id": str(BOB)}), 404, "NOT_FOUND")
    assert not app.orders.calls


async def test_staff_may_read_any_users_orders(app: App) -> None:
    assert (await call(get_order, user="olga", path=ONE, query={"user_id": str(BOB)})).status == 200
    assert app.orders.calls == [("get", BOB, ORDER_ID)]


@pytest.mark.parametrize(
    "order_id", ["x", "1" * 36, "{" + str(ORDER_ID)[1:-1] + "}", "urn:uuid:" + str(ORDER_ID), "\0"]
)
async def test_path_that_is_no_id_names_nothing(app: App, order_id: str) -> None:
    assert_problem(await call(get_order, path={"order_id": order_id}), 404, "NOT_FOUND")


async def test_limited_call_carries_rate_limit_headers(app: App) -> None:
    answer = await call(get_order, path=ONE)
    assert app.limiter.spent == [(ALICE, "GET /api/orders/{order_id}")]
    shown = {name: value for name, value in answer.headers.items() if name.startswith("RateLimit")}
    assert shown == {
        "RateLimit-Limit": "100",
        "RateLimit-Remaining": "99",
        "RateLimit-Reset": "60",
        "RateLimit-Policy": "100;w=60",
    }


async def test_refused_call_keeps_its_rate_limit_headers(app: App) -> None:
    app.orders.error = NotFoundError("There is no such order")
    answer = await call(get_order, path=ONE)
    assert_problem(answer, 404, "NOT_FOUND")
    assert answer.headers["RateLimit-Remaining"] == "99"


async def test_used_up_limit_says_when_to_return(app: App) -> None:
    app.limiter.error = RateLimitedError("used up", retry_after_s=17, details={"limit": 100, "window_s": 60})
    answer = await call(list_orders)
    assert_problem(answer, 429, "RATE_LIMITED")
    assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"] == "17"
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert not app.orders.calls


async def test_refused_calls_count_against_a_limit_of_their_own(app: App) -> None:
    app.limiter.most_refusals = 3
    malformed = await call(place_order, body={**PLACE, "quantity": 0})
    unknown = await call(list_orders, query={"nonsense": "1"})
    other = await call(get_order, path=ONE, query={"user_id": str(BOB)})
    assert (malformed.status, unknown.status, other.status) == (400, 400, 404)
    assert not app.limiter.spent

    refused = await call(place_order, body={**PLACE, "quantity": 0})
    assert_problem(refused, 429, "RATE_LIMITED")
    assert (refused.headers["Retry-After"], refused.headers["RateLimit-Limit"]) == ("9", "3")
    assert (await call(place_order, body=PLACE)).status == 202
    assert app.limiter.refusals == [ALICE] * 4


async def test_calls_that_count_elsewhere_are_no_refused_calls(app: App) -> None:
    app.orders.error = NotFoundError("There is no such order")
    assert (await call(get_order, path=ONE)).status == 404
    app.orders.error = UnavailableError("The ledger is away", retry_after_s=2)
    assert (await call(place_order, body=PLACE)).status == 503
    assert (await call(get_order, user=None, path=ONE)).status == 401
    assert not app.limiter.refusals
    app.orders.error = KycRequiredError("Trading needs an active KYC", kyc_status="PENDING")
    assert (await call(place_order, body=PLACE)).status == 403
    assert app.limiter.refusals == [ALICE]


async def test_missing_header_is_named_however_many_calls_were_refused(app: App) -> None:
    app.limiter.most_refusals = 0
    answer = await call(resolve_doubt, user="olga", path=ONE, body=b"{")
    assert (answer.status, answer.json["details"]) == (400, {"field": "Idempotency-Key"})
    assert not app.limiter.refusals


async def test_edge_never_counts_a_placed_order(app: App) -> None:
    await call(place_order, body=PLACE)
    assert not app.limiter.spent


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (KycRequiredError("Trading needs an active KYC", kyc_status="PENDING"), 403, "KYC_REQUIRED"),
        (StateConflictError("The order has ended", state="FILLED"), 409, "CONFLICT_STATE"),
        (OverloadedError("The broker is at capacity", retry_after_s=1), 503, "OVERLOADED"),
        (UnavailableError("The ledger is away", retry_after_s=2), 503, "UNAVAILABLE"),
    ],
)
async def test_refusals_of_use_cases_become_problems(app: App, error: Exception, status: int, code: str) -> None:
    app.orders.error = error
    answer = await call(cancel_order, path=ONE)
    assert_problem(answer, status, code)
    assert ("Retry-After" in answer.headers) == (status == 503)


async def test_accident_is_logged_and_nothing_of_it_told(app: App) -> None:
    app.orders.error = RuntimeError("password=hunter2")
    answer = await call(get_order, path=ONE)
    assert_problem(answer, 500, "INTERNAL_ERROR")
    assert b"hunter2" not in answer.body
    assert b"RuntimeError" not in answer.body


async def test_cancelled_request_is_not_answered_as_error(app: App) -> None:
    app.orders.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await call(get_order, path=ONE)


async def test_public_route_needs_no_token_or_limit(app: App) -> None:
    async def health(served: Call) -> Reply:
        return Reply({"status": "OK", "user": str(served.user_id)})

    answer = await call(endpoint(health_routes.GET_HEALTH)(health), user=None, query={"cache": "buster"})
    assert answer.status == 200
    assert "RateLimit-Limit" not in answer.headers


async def test_answers_are_never_cached_or_sniffed(app: App) -> None:
    for answer in (await call(get_order, path=ONE), await call(get_order, user=None, path=ONE)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_every_request_has_its_own_id(app: App) -> None:
    answers = await asyncio.gather(*(call(get_order, path=ONE) for _ in range(20)))
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 20


async def test_problem_instance_is_the_path_without_query(app: App) -> None:
    answer = await call(get_order, path=ONE, query={"user_id": str(BOB)})
    assert answer.json["instance"] == f"/api/orders/{ORDER_ID}"


@pytest.mark.parametrize("host", ["[", "]", "[::1", "a]b", "a b", "evil.example/path", "a:b:c", "a@b", "\u00e4"])
async def test_broken_host_is_refused_and_never_shown(app: App, host: str) -> None:
    problem = assert_problem(await call(get_order, path=ONE, headers={"host": host}), 400, "VALIDATION_FAILED")
    assert problem.instance == f"/api/orders/{ORDER_ID}"
    assert not app.orders.calls


@pytest.mark.parametrize("host", ["127.0.0.1:7071", "[::1]:7071", "broker.example", "broker_1", ""])
async def test_any_address_is_a_host(app: App, host: str) -> None:
    assert (await call(get_order, path=ONE, headers={"host": host})).status == 200


async def test_instance_writes_the_path_as_a_uri(app: App) -> None:
    answer = await call(get_order, path={"order_id": "\u00e4?x#[]"})
    assert answer.json["instance"] == "/api/orders/%C3%A4%3Fx%23%5B%5D"


def test_decorated_handlers_stay_callable_with_their_route() -> None:
    assert isinstance(place_order, Endpoint)
    assert place_order.route is order_routes.PLACE_ORDER


async def test_answers_about_the_account_carry_its_sequence(app: App) -> None:
    placed, cancelled = await call(place_order, body=PLACE), await call(cancel_order, path=ONE)
    read, of_another = (
        await call(get_order, path=ONE),
        await call(get_order, user="olga", path=ONE, query={"user_id": str(BOB)}),
    )
    assert [each.headers.get("X-Stream-Sequence") for each in (placed, cancelled, read, of_another)] == [
        "43",
        "42",
        "41",
        None,
    ]
    app.orders.error = NotFoundError("There is no such order")
    refused = await call(get_order, path=ONE)
    assert (refused.status, refused.headers["X-Stream-Sequence"]) == (404, "41")
    app.orders.error, app.stream_positions.sequence = None, None
    assert "X-Stream-Sequence" not in (await call(get_order, path=ONE)).headers
