"""Paths, methods and headers that no handler sees: each is refused in the one error format."""

import pytest

from tests.e2e.world import Broker, Client, order_body

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nonsense", 404, "ROUTE_NOT_FOUND"),
        ("PATCH", "/orders", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/health", 405, "METHOD_NOT_ALLOWED"),
        ("TRACE", "/orders", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_an_unknown_path_or_method_is_a_problem_too(
    broker: Broker, trader: Client, method: str, path: str, status: int, code: str
) -> None:
    response = broker.http.request(method, f"/api{path}", headers=trader.headers())

    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert (status == 405) == ("Allow" in response.headers)


def test_options_names_the_methods_of_a_path(broker: Broker) -> None:
    response = broker.http.options("/api/orders")

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_head_answers_as_get_without_a_body(broker: Broker, trader: Client) -> None:
    for path in ("/api/funds", "/api/openapi.json", "/api/docs", "/api/orders/nonsense"):
        read, asked = (broker.http.request(method, path, headers=trader.headers()) for method in ("GET", "HEAD"))

        assert (asked.status_code, asked.content) == (read.status_code, b"")
        assert asked.headers["Content-Type"] == read.headers["Content-Type"]
        assert asked.headers["Content-Length"] == str(len(read.content))


def test_two_idempotency_keys_are_refused(broker: Broker, trader: Client) -> None:
    headers = [*trader.headers().items(), ("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    response = broker.http.post("/api/orders", json=order_body(), headers=headers)

    assert (response.status_code, response.json()["details"]["field"]) == (400, "Idempotency-Key")


def test_a_broken_host_is_malformed_and_not_shown(broker: Broker, trader: Client) -> None:
    for host in ("[", "[::1", "]", "a]b", "evil.example/x"):
        response = broker.http.get("/api/orders/nonsense", headers=trader.headers({"Host": host}))

        assert response.status_code == 400
        assert host not in response.text
