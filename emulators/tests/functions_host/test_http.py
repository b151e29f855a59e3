"""The HTTP trigger of the running host: routing, keys, bodies, headers, failures, hostile input."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from emulators.tests.functions_host.conftest import StartHost
from emulators.tests.functions_host.running import RunningHost, eventually


def raw(host: RunningHost, request: bytes) -> bytes:
    """The bytes answered to hand-made bytes, until the server closes or pauses."""
    address, _, port = host.url.removeprefix("http://").partition(":")
    with socket.create_connection((address, int(port)), timeout=5) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_request_reaches_function_whole(http_host: RunningHost) -> None:
    answer = http_host.call(
        "POST", "/api/echo?a=1&b=x%20y&a=2&empty=", content="grüße", headers=[("X-Own", "1"), ("X-Own", "2")]
    )
    seen = answer.json()
    assert seen["method"] == "POST"
    assert seen["url"] == http_host.url + "/api/echo?a=1&b=x%20y&a=2&empty="
    assert seen["params"] == {"a": "1,2", "b": "x y", "empty": ""}
    assert seen["headers"]["x-own"] == "1,2"
    assert seen["body"] == "grüße"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/items/5", "number 5"),
        ("/api/items/five", "name five"),
        ("/api/items/special", "special"),
        ("/API/Items/Special/", "special"),
        ("/api/items/a/b", "rest a/b"),
        ("/api/items/caf%C3%A9", "name café"),
        ("/api/items/a%2Fb", "name a%2Fb"),
        ("/api/items", "rest None"),
    ],
)
def test_most_specific_route_answers(http_host: RunningHost, path: str, text: str) -> None:
    assert http_host.call("GET", path).text == text


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/unknown"), ("DELETE", "/api/echo"), ("OPTIONS", "/api/echo"), ("GET", "/echo"), ("GET", "/api"),
     ("GET", "/api/disabled"), ("GET", "/runtime/webhooks/other"), ("TRACE", "/api/echo"), ("POST", "/")],
)  # fmt: skip
def test_unknown_path_or_method_is_empty_404(http_host: RunningHost, method: str, path: str) -> None:
    answer = http_host.call(method, path)
    assert (answer.status_code, answer.content) == (404, b"")


def test_head_gets_headers_without_body(http_host: RunningHost) -> None:
    answer = http_host.call("HEAD", "/api/echo")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_function_key_opens_by_header_and_query(http_host: RunningHost) -> None:
    own = http_host.keys["functions"]["guarded"]
    for key in (own, http_host.keys["functionKeys"]["default"], http_host.keys["masterKey"]["_master"]):
        assert http_host.call("GET", "/api/guarded", headers={"x-functions-key": key}).text == "open"
        assert http_host.call("GET", "/api/guarded", params={"code": key}).text == "open"
        assert http_host.call("GET", "/api/guarded", params={"Code": key}).text == "open"


@pytest.mark.parametrize("key", [None, "", "wrong", "ключ", "\udcff"])
def test_missing_or_wrong_key_is_empty_401(http_host: RunningHost, key: str | None) -> None:
    query = "" if key is None else "?code=" + quote(key, errors="surrogateescape")
    for path in ("/api/guarded", "/api/mastered", "/admin/host/status", "/admin/functions"):
        answer = http_host.call("GET", path + query)
        assert (answer.status_code, answer.content) == (401, b"")


def test_admin_level_takes_only_the_master_key(http_host: RunningHost) -> None:
    own = {"x-functions-key": http_host.keys["functions"]["mastered"]}
    assert http_host.call("GET", "/api/mastered", headers=own).status_code == 401
    assert http_host.call("GET", "/api/mastered", headers=http_host.master).text == "open"


def test_keys_file_is_private(http_host: RunningHost) -> None:
    assert (http_host.folder / "data" / "keys.json").stat().st_mode & 0o077 == 0


def test_printed_addresses_say_which_key_they_need(http_host: RunningHost) -> None:
    lines = [line.strip() for line in http_host.output.splitlines()]
    assert f"guarded: {http_host.url}/api/guarded (needs a function key)" in lines
    assert f"mastered: {http_host.url}/api/mastered (needs the master key)" in lines
    assert f"item_special: [GET] {http_host.url}/api/items/special" in lines
    [hint] = [line for line in lines if line.startswith("Keys: ")]
    assert str(http_host.folder / "data" / "keys.json") in hint


def test_switch_opens_everything_without_keys(start_host: StartHost, write_app: Callable[[str], Path]) -> None:
    source = (
        "import azure.functions as func\napp = func.FunctionApp()\n"
        '@app.route(route="guarded")\ndef guarded(req: func.HttpRequest) -> str:\n    return "open"\n'
    )
    host = start_host(write_app(source), "--no-keys").wait_ready()
    assert host.call("GET", "/api/guarded").text == "open"
    assert host.call("GET", "/admin/host/status").status_code == 200
    assert "key" not in host.output


def test_raised_exception_is_empty_500_and_logged(http_host: RunningHost) -> None:
    answer = http_host.call("GET", "/api/boom")
    assert (answer.status_code, answer.content) == (500, b"")
    line = eventually(lambda: [one for one in http_host.log if one.get("function") == "boom"], "the log line")[0]
    assert line["level"] == "error"
    assert "ValueError: secret text" in line["exception"]


def test_returning_nothing_fails_as_in_azure(http_host: RunningHost) -> None:
    answer = http_host.call("GET", "/api/nothing")
    assert (answer.status_code, answer.content) == (500, b"")
    line = eventually(lambda: [one for one in http_host.log if one.get("function") == "nothing"], "the log line")[0]
    assert 'unsupported type "http" for Python type "NoneType"' in line["exception"]


def test_cookies_and_headers_are_written_like_asp_net(http_host: RunningHost) -> None:
    answer = http_host.call("GET", "/api/cookies")
    assert answer.status_code == 201
    assert answer.headers["x-own"] == "1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers.get_list("set-cookie") == [
        "a=1; domain=; path=/; samesite=strict; httponly",
        "b=2; max-age=60; domain=; path=; secure",
        "c=3; expires=Thu, 12 Jan 2017 13:55:08 GMT; domain=example.com; path=/x",
    ]


@pytest.mark.parametrize("value", ["a%0d%0aset-cookie:%20x=1", "a%00b", "%E2%82%AC"])
def test_forged_response_header_is_refused(http_host: RunningHost, value: str) -> None:
    answer = http_host.call("GET", f"/api/forged?value={value}")
    assert (answer.status_code, answer.content) == (500, b"")
    assert "set-cookie" not in answer.headers


def test_function_timeout_ends_the_invocation(http_host: RunningHost) -> None:
    answer = http_host.call("GET", "/api/slow?s=30")
    assert (answer.status_code, answer.content) == (500, b"")
    line = eventually(lambda: [one for one in http_host.log if "Timeout value of" in one.get("exception", "")], "log")
    assert "'Functions.slow'" in line[0]["exception"]


def test_synchronous_functions_run_side_by_side(http_host: RunningHost) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: http_host.call("GET", "/api/blocking?s=0.4"), range(4)))
    assert max(answer.elapsed.total_seconds() for answer in answers) < 1.5
    assert {answer.text for answer in answers} == {"done"}


def test_trace_context_is_kept_and_made_when_bad(http_host: RunningHost) -> None:
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert http_host.call("GET", "/api/echo", headers={"traceparent": good}).json()["traceparent"] == good
    for bad in ("", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "x" * 5000, good.upper()):
        made = http_host.call("GET", "/api/echo", headers={"traceparent": bad}).json()["traceparent"]
        assert made != bad
        assert len(made) == 55


@pytest.mark.parametrize(("path", "text"), [("/api/logs", "written by a function"), ("/api/blocking", "from a thread")])
def test_lines_of_a_function_name_their_invocation(http_host: RunningHost, path: str, text: str) -> None:
    trace = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    http_host.call("GET", path, headers={"traceparent": trace})

    def written() -> list[dict[str, Any]]:
        return [line for line in http_host.log if line["event"] == text and line.get("traceparent") == trace]

    line = eventually(written, "the log line")[0]
    results = [one for one in http_host.log if one.get("invocation_id") == line["invocation_id"] and one is not line]
    assert line["function"] == path.removeprefix("/api/")
    assert [one["event"] for one in results if one["event"].startswith("Executed")] == ["Executed (Succeeded)"]


@pytest.mark.parametrize("declared", [True, False])
def test_body_over_the_limit_is_413(http_host: RunningHost, declared: bool) -> None:
    body = b"x" * 100_001
    content = body if declared else iter([body[:50_000], body[50_000:]])
    assert http_host.call("POST", "/api/bytes", content=content).status_code == 413
    assert http_host.call("POST", "/api/bytes", content=body[:-1]).content == body[:-1]


def test_chunked_body_arrives_byte_for_byte(http_host: RunningHost) -> None:
    chunks = [bytes([number]) * 1000 for number in range(50)]
    assert http_host.call("POST", "/api/bytes", content=iter(chunks)).content == b"".join(chunks)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"GET /api/echo HTTP/9.9\r\n\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/items/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/echo?%ff=%fe&&&=%zz HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n",
        b"POST /api/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /api/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /admin/functions/boom HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{{{",
        b"GET http://evil/api/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_hostile_bytes_never_show_a_stack_trace(http_host: RunningHost, request_bytes: bytes) -> None:
    answered = raw(http_host, request_bytes)
    assert b"Traceback" not in answered
    assert b'File "' not in answered
    assert not answered.startswith(b"HTTP/1.1 500")
    assert http_host.call("GET", "/api/items/1").text == "number 1"


def test_no_error_of_the_host_itself_was_logged(http_host: RunningHost) -> None:
    raw(http_host, b"GET /api/items/%ff HTTP/1.1\r\nHost: x\r\n\r\n")
    unexpected = [line for line in http_host.log if line["level"] in ("error", "critical") and "function" not in line]
    assert unexpected == []
    assert "Traceback" not in [line for line in http_host.errors.splitlines() if not line.startswith("{")]


def test_endless_headers_end_the_connection(http_host: RunningHost) -> None:
    head = b"GET /api/echo HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 2_000_000
    try:
        answered = raw(http_host, head)
    except OSError:  # the server has hung up, which is the other right answer
        answered = b""
    assert answered == b"" or answered.startswith(b"HTTP/1.1 431")
    assert http_host.call("GET", "/api/items/1").text == "number 1"


def test_one_connection_serves_any_number_of_requests(http_host: RunningHost) -> None:
    request = b"GET /api/items/1 HTTP/1.1\r\nHost: x\r\nX-Pad: " + b"x" * 2000 + b"\r\n\r\n"
    address, _, port = http_host.url.removeprefix("http://").partition(":")
    with socket.create_connection((address, int(port)), timeout=5) as connection:
        for _ in range(100):
            connection.sendall(request)
            answered = b""
            while not answered.endswith(b"number 1"):
                chunk = connection.recv(65536)
                assert chunk, "the host closed the connection"
                answered += chunk


def test_allowed_origin_gets_cors_headers(http_host: RunningHost) -> None:
    asked = {
        "origin": "http://127.0.0.1:5173",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "authorization",
    }
    preflight = http_host.call("OPTIONS", "/api/echo", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-methods"] == "PUT"
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    answer = http_host.call("GET", "/api/items/1", headers=asked)
    assert answer.headers["access-control-allow-origin"] == asked["origin"]
    other = http_host.call("GET", "/api/items/1", headers={"origin": "http://evil"})
    assert "access-control-allow-origin" not in other.headers


def test_home_page_answers_without_a_key(http_host: RunningHost) -> None:
    assert http_host.call("GET", "/").status_code == 200
    assert http_host.call("HEAD", "/").status_code == 200


def test_admin_describes_host_and_functions(http_host: RunningHost) -> None:
    status = http_host.call("GET", "/admin/host/status", headers=http_host.master).json()
    assert status["state"] == "Running"
    functions = http_host.call("GET", "/admin/functions", headers=http_host.master).json()
    echo = next(function for function in functions if function["name"] == "echo")
    assert echo["invoke_url_template"] == http_host.url + "/api/echo"
    assert {binding["type"] for binding in echo["config"]["bindings"]} == {"httpTrigger", "http"}
    assert next(function for function in functions if function["name"] == "switched_off")["isDisabled"] is True


@pytest.mark.parametrize(("content", "status"), [(b"{}", 400), (b"[", 400), (b"x" * 2_000_000, 413)])
def test_manual_run_of_http_function_is_refused(http_host: RunningHost, content: bytes, status: int) -> None:
    answer = http_host.call("POST", "/admin/functions/echo", headers=http_host.master, content=content)
    assert answer.status_code == status


def test_warm_up_runs_its_function_once(http_host: RunningHost) -> None:
    assert http_host.call("GET", "/admin/warmup").status_code == 401
    assert http_host.call("GET", "/admin/warmup", headers=http_host.master).status_code == 200
    eventually(lambda: [line for line in http_host.log if line["event"] == "warm"], "the function's line")
    assert len([line for line in http_host.log if line["event"] == "warm"]) == 1


def test_empty_route_is_the_functions_name(http_host: RunningHost) -> None:
    assert http_host.call("GET", "/api/named_by_itself").status_code == 200
    assert http_host.call("GET", "/api/").status_code == 404


def test_start_up_list_names_functions_and_addresses(http_host: RunningHost) -> None:
    assert f"item_by_number: [GET] {http_host.url}/api/items/{{id:int}}" in http_host.output
    assert "switched_off (disabled)" in http_host.output


def test_settings_file_is_made_from_its_sample(http_host: RunningHost) -> None:
    app = http_host.folder / "app"
    made, sample = (app / "local.settings.json", app / "local.settings.sample.json")
    assert json.loads(made.read_text()) == json.loads(sample.read_text())
