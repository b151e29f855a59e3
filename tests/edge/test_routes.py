"""One table: what is registered, documented, limited and authorized is equal to it."""

import re
from datetime import date
from typing import Any
from urllib.parse import unquote

import azure.functions as func
import orjson
import pytest

import function_app
from functions.edge.fallback import answer_unknown
from shared.adapters.reference import load_reference_data
from shared.contracts.openapi import document, error_statuses
from shared.contracts.routes import ROUTES, joined
from shared.contracts.routes.route import EVERYBODY, IdempotencyKey, LimitedBy, Route
from tests.edge.support import Answer
from tests.edge.test_edge import assert_problem

TODAY = date(2026, 11, 23)
ASKING = {"negotiate", "post_quotes", "replay_dead_letters", "replay_dead_letter"}
"""POST calls that may be repeated: they record nothing, or the second one finds nothing left to do."""
NO_LIMIT_OF_ITS_OWN = {
    "GET /api/instruments/{instrument_id}",
}


def registered() -> dict[str, tuple[tuple[str, ...], str, bool]]:
    """Function name to methods, path and whether it has the durable client."""
    function_app.app.functions_bindings = None
    found = {}
    for function in function_app.app.get_functions():
        bindings = {binding.type: binding for binding in function.get_bindings()}
        trigger: Any = bindings.get("httpTrigger")
        if trigger is not None and function.get_function_name() != "unknown_path":
            methods = tuple(method.value for method in trigger.methods)
            found[function.get_function_name()] = (methods, trigger.route, "durableClient" in bindings)
            assert trigger.auth_level is func.AuthLevel.ANONYMOUS
    return found


def test_every_row_is_registered_and_nothing_else() -> None:
    assert registered() == {route.name: (route.methods, route.path, route.uses_durable) for route in ROUTES}


@pytest.mark.parametrize(
    ("name", "method", "path", "repeated"),
    [
        ("get_order", "GET", "elsewhere", "get_order"),
        ("another", "GET", "orders/{id}", "GET orders/{}"),
        ("another", "PATCH", "orders/{id}", None),
    ],
)
def test_repeated_names_and_paths_are_refused(name: str, method: str, path: str, repeated: str | None) -> None:
    row = Route[None, None](name, method, path, "A row", {200: None})
    if repeated is None:
        assert joined(ROUTES, [row])[-1] is row
        return
    with pytest.raises(ValueError, match=re.escape(f"more than once: {repeated}")):
        joined(ROUTES, [row])


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_roles_and_limits_of_a_row_make_sense(route: Route[Any, Any]) -> None:
    assert route.roles <= EVERYBODY
    assert route.others <= route.roles
    assert route.public == (route.limited_by is LimitedBy.NOBODY)
    assert route.body is None or route.method in {"POST", "PUT"} or route.name == "unsubscribe"
    assert (route.idempotency_key is not IdempotencyKey.NONE) == (route.method == "POST" and route.name not in ASKING)
    assert not route.others or route.method == "GET"


def test_every_limited_row_stands_in_the_limits_table() -> None:
    limits = load_reference_data().rate_limits.by_route
    missing = {route.limit_name for route in ROUTES if route.limited_by is not LimitedBy.NOBODY} - limits.keys()
    assert missing == NO_LIMIT_OF_ITS_OWN


def test_document_lists_every_row_and_nothing_else() -> None:
    documented = {
        (method.upper(), path, operation["operationId"])
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }
    assert documented == {(route.method, f"/api/{route.path}", route.name) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_documented_operation_equals_its_row(route: Route[Any, Any]) -> None:
    operation = document()["paths"][f"/api/{route.path}"][route.method.lower()]
    assert {int(status) for status in operation["responses"]} == {*route.answers, *error_statuses(route)}
    assert operation["security"] == ([] if route.public else [{"bearer": []}])
    parameters = {(parameter["in"], parameter["name"]) for parameter in operation["parameters"]}
    assert {name for place, name in parameters if place == "path"} == set(re.findall(r"\{(\w+)\}", route.path))
    assert {name for place, name in parameters if place == "query"} == set(
        [field.alias or name for name, field in route.query.model_fields.items()] if route.query else ()
    )
    assert ("header", "Prefer" if route.takes_prefer_wait else "Idempotency-Key") in parameters or not (
        route.takes_prefer_wait or route.idempotency_key is not IdempotencyKey.NONE
    )


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        found = {str(node["$ref"])} if "$ref" in node else set()
        return found.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_every_reference_of_the_document_resolves() -> None:
    whole = orjson.loads(orjson.dumps(document()))
    found = references(whole)
    for reference in found:
        at = whole
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]
    used = {reference.rpartition("/")[2] for reference in found if "/schemas/" in reference}
    assert used == whole["components"]["schemas"].keys()


def unknown(method: str, path: str, host: str = "127.0.0.1:7071") -> Answer:
    request = func.HttpRequest(
        method, f"http://{host}/api/{path}?x=1", headers={"host": host}, route_params={"path": path}, body=b""
    )
    response = answer_unknown(request)
    return Answer(response.status_code, dict(response.headers), response.get_body())


@pytest.mark.parametrize("path", ["nothing", "", "orders/1/2/3", "ord\u00e9rs", "orders/", "x\ny", "["])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "TRACE"])
def test_unknown_path_is_a_problem(path: str, method: str) -> None:
    problem = assert_problem(unknown(method, path), 404, "ROUTE_NOT_FOUND")
    assert unquote(problem.instance) == f"/api/{path}"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "orders", ["GET", "HEAD", "OPTIONS", "POST"]),
        ("PUT", "orders/01935d3a-0000-7000-8000-000000000001", ["DELETE", "GET", "HEAD", "OPTIONS"]),
        ("POST", "openapi.json", ["GET", "HEAD", "OPTIONS"]),
        ("DELETE", "instruments/NSE:M&M", ["GET", "HEAD", "OPTIONS"]),
        ("TRACE", "Health", ["GET", "HEAD", "OPTIONS"]),
        ("HEAD", "operations/in-doubt/01935d3a-0000-7000-8000-000000000001/resolve", ["OPTIONS", "POST"]),
    ],
)
def test_wrong_method_names_the_right_ones(method: str, path: str, allowed: list[str]) -> None:
    refused = unknown(method, path)
    assert assert_problem(refused, 405, "METHOD_NOT_ALLOWED").details == {"allowed": allowed}
    asked = unknown("OPTIONS", path)
    assert (asked.status, asked.body) == (204, b"")
    assert asked.headers["Allow"] == refused.headers["Allow"] == ", ".join(allowed)


@pytest.mark.parametrize("host", ["[", "a]b", "evil.example/api/orders"])
def test_unknown_path_at_a_broken_host_is_malformed(host: str) -> None:
    assert assert_problem(unknown("GET", "nothing", host), 400, "VALIDATION_FAILED").instance == "/api/nothing"
