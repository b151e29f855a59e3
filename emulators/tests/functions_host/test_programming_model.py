"""What the v2 model offers beside plain functions: ASGI and WSGI apps, blueprints, the thread pool, reloading."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulators.processes.postgres import PostgresServer
from emulators.tests.functions_host.conftest import StartHost
from emulators.tests.functions_host.running import RunningHost, eventually

HEADER = "import azure.functions as func\napp = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n"


@pytest.fixture(scope="module")
def asgi_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    host = RunningHost.start(tmp_path_factory.mktemp("asgi"), "asgi", "--groups", "flex")
    yield host.wait_ready()
    host.stop()


def test_asgi_app_gets_the_whole_request(asgi_host: RunningHost) -> None:
    answer = asgi_host.call("PUT", "/items/7?a=1", content="body", headers={"X-Own": "yes"})
    assert (answer.status_code, answer.headers["x-answer"]) == (201, "1")
    assert answer.json() == {
        "id": 7,
        "query": {"a": "1"},
        "header": "yes",
        "body": "body",
        "function": "http_app_func",
    }


def test_asgi_answer_in_pieces_arrives_whole(asgi_host: RunningHost) -> None:
    answer = asgi_host.call("GET", "/pieces")
    assert answer.text == "onetwo"
    assert answer.headers["content-type"].startswith("text/plain")


def test_asgi_apps_own_answers_are_kept(asgi_host: RunningHost) -> None:
    assert asgi_host.call("GET", "/unknown").text == "Not Found"
    assert asgi_host.call("DELETE", "/items/7").status_code == 405
    broken = asgi_host.call("GET", "/broken")
    assert broken.status_code == 500
    assert "secret" not in broken.text


def test_function_beside_an_asgi_app_comes_first(asgi_host: RunningHost) -> None:
    assert asgi_host.call("GET", "/beside").text == "a function"


def test_wsgi_app_answers_behind_the_function_key(start_host: StartHost) -> None:
    host = start_host("wsgi", "--groups", "flex").wait_ready()
    assert host.call("POST", "/a/b?c=d", content="body").status_code == 401
    answer = host.call("POST", "/a/b?c=d", content="body", headers=host.master)
    assert (answer.status_code, answer.headers["x-answer"]) == (418, "1")
    assert answer.text == "POST /a/b?c=d body"


def test_blueprints_register_plain_and_durable_functions(start_host: StartHost, postgres: PostgresServer) -> None:
    host = start_host("blueprints", "--database", postgres.create_database("blueprints")).wait_ready()
    assert host.call("GET", "/api/own").text == "own"
    assert host.call("GET", "/api/orders/7").text == "order 7"
    assert host.call("GET", "/api/greet/ada").text == "hello ada"


def test_folders_of_the_app_come_before_the_hosts_packages(
    start_host: StartHost, write_app: Callable[..., Path]
) -> None:
    source = "from shared.words import words\n" + HEADER
    source += '@app.route(route="words")\ndef said(req: func.HttpRequest) -> str:\n    return words\n'
    app = write_app(source, '{"version": "2.0", // as in Azure\n}')
    (app / "shared").mkdir()
    (app / "shared" / "words.py").write_text('words = "the app\'s own"\n')
    assert start_host(app, "--groups", "flex").wait_ready().call("GET", "/api/words").text == "the app's own"


@pytest.mark.parametrize("threads", [1, 3])
def test_thread_count_bounds_synchronous_functions(
    start_host: StartHost, write_app: Callable[[str], Path], threads: int
) -> None:
    source = f"""import threading
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
inside, most, lock, full = 0, 0, threading.Lock(), threading.Event()

@app.route(route="busy")
def busy(req: func.HttpRequest) -> str:
    global inside, most
    with lock:
        inside += 1
        most = max(most, inside)
        if inside > {threads - 1}:
            full.set()
    full.wait(10)
    # More would come in meanwhile if more were let in.
    threading.Event().wait(0.05)
    with lock:
        inside -= 1
    return "done"

@app.route(route="most")
def seen(req: func.HttpRequest) -> str:
    return str(most)
"""
    host = start_host(write_app(source), "--groups", "flex", PYTHON_THREADPOOL_THREAD_COUNT=str(threads)).wait_ready()
    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: host.call("GET", "/api/busy").text, range(6)))
    assert answers == ["done"] * 6
    assert host.call("GET", "/api/most").text == str(threads)


def test_process_is_replaced_after_a_lost_thread(start_host: StartHost, write_app: Callable[..., Path]) -> None:
    source = HEADER + (
        "import threading\n"
        '@app.route(route="endless")\ndef endless(req: func.HttpRequest) -> str:\n    threading.Event().wait()\n'
        '@app.route(route="quick")\ndef quick(req: func.HttpRequest) -> str:\n    return "here"\n'
    )
    app = write_app(source, '{"version": "2.0", "functionTimeout": "00:00:01"}')
    host = start_host(app, "--groups", "flex", PYTHON_THREADPOOL_THREAD_COUNT="1").wait_ready()
    before = host.children()["http"].pid
    assert host.call("GET", "/api/endless").status_code == 500
    eventually(lambda: [child for child in host.children().values() if child.pid != before], "another process", 60)
    assert host.call("GET", "/api/quick").text == "here"


def _function(answer: str, route: str = "x") -> str:
    return f'@app.route(route="{route}")\ndef {route}(req: func.HttpRequest) -> str:\n    return "{answer}"\n'


def test_changed_app_is_loaded_again(start_host: StartHost, write_app: Callable[[str], Path]) -> None:
    host = start_host(write_app(HEADER + _function("one")), "--watch", "--groups", "flex").wait_ready()
    source = host.folder / "app" / "function_app.py"
    assert host.call("GET", "/api/x").text == "one"
    source.write_text(HEADER + _function("two") + _function("more", "y"))
    eventually(lambda: host.call("GET", "/api/x").text == "two", "the new version", 60)
    assert host.call("GET", "/api/y").text == "more"
    assert "function_app.py changed: the app is loaded again." in host.output
    assert "ended" not in host.errors
    (host.folder / "app" / "host.json").write_text(
        '{"version": "2.0", "extensions": {"http": {"routePrefix": "other"}}}'
    )
    eventually(lambda: host.call("GET", "/other/x").text == "two", "the new prefix", 60)


def test_broken_change_waits_for_its_repair(start_host: StartHost, write_app: Callable[[str], Path]) -> None:
    host = start_host(write_app(HEADER + _function("one")), "--watch").wait_ready()
    source = host.folder / "app" / "function_app.py"
    source.write_text("def broken(:\n")
    eventually(lambda: "Waiting for a change." in host.errors, "the complaint", 60)
    assert "SyntaxError" in host.errors
    source.write_text(HEADER + _function("repaired"))
    eventually(lambda: host.call("GET", "/api/x").text == "repaired", "the repair", 60)
    assert host.errors.count("Waiting for a change.") == 1


def test_groups_follow_the_functions_of_each_version(
    start_host: StartHost, write_app: Callable[[str], Path], postgres: PostgresServer
) -> None:
    timer = '@app.timer_trigger(arg_name="t", schedule="0 0 0 1 1 *")\ndef yearly(t: func.TimerRequest) -> None: ...\n'
    dsn = postgres.create_database("watched_groups")
    host = start_host(
        write_app(HEADER + _function("one")), "--watch", "--groups", "flex", "--database", dsn
    ).wait_ready()
    source = host.folder / "app" / "function_app.py"
    for version in (1, 2):
        source.write_text(HEADER + _function(f"with {version}") + timer)
        eventually(lambda: set(host.children()) == {"http", "yearly"}, "the timer's group", 60)
        source.write_text(HEADER + _function(f"without {version}"))
        eventually(lambda: set(host.children()) == {"http"}, "the group's end", 60)
    eventually(lambda: host.call("GET", "/api/x").text == "without 2", "the last version", 60)


def test_unwatched_app_keeps_its_version(start_host: StartHost, write_app: Callable[[str], Path]) -> None:
    host = start_host(write_app(HEADER + _function("one")), "--groups", "flex").wait_ready()
    before = host.children()["http"].pid
    (host.folder / "app" / "function_app.py").write_text(HEADER + _function("two"))
    deadline = time.monotonic() + 1.2
    while time.monotonic() < deadline:
        assert host.call("GET", "/api/x").text == "one"
    assert host.children()["http"].pid == before
