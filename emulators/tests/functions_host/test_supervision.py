"""Start-up refusals, groups, restarts, draining and the end of the process tree."""

import json
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from emulators.processes.postgres import PostgresServer
from emulators.tests.functions_host.conftest import StartHost
from emulators.tests.functions_host.running import RunningHost, eventually

HEADER = "import azure.functions as func\napp = func.FunctionApp()\n"
_ONE_PROCESS = ("--groups", "flex")  # the others start once the first has read the app
OK = '@app.route(route="ok", auth_level="anonymous")\ndef ok(req: func.HttpRequest) -> str:\n    return "ok"\n'


def refusal(host: RunningHost) -> str:
    assert host.ended() == 1
    return host.errors


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import not_there\n", "ModuleNotFoundError: No module named 'not_there'"),
        ("def f():\n    return 1 / 0\nf()\n", "ZeroDivisionError: division by zero"),
        ("x = 1\n", "Could not find top level function app instances in function_app.py"),
        (
            HEADER + '@app.route()\ndef f(request: func.HttpRequest) -> str: ...\n',
            "the following parameters are declared in Python but not in the function definition",
        ),
        (
            HEADER
            + '@app.service_bus_queue_trigger(arg_name="m", queue_name="q", connection="C", cardinality="many")\n'
            "def f(m: list[func.ServiceBusMessage]) -> None: ...\n",
            "cannot load the f function",
        ),
        (
            HEADER
            + '@app.event_grid_trigger(arg_name="e")\ndef taker(e: func.EventGridEvent) -> None: ...\n',
            "Function 'taker': binding 'e' of type 'eventGridTrigger' is not supported",
        ),
        (
            HEADER
            + '@app.route(route="x")\n@app.table_output(arg_name="o", table_name="t", connection="C")\n'
            "def writer(req: func.HttpRequest, o: func.Out[str]) -> str: ...\n",
            "Function 'writer': binding 'o' of type 'table' is not supported",
        ),
        (
            HEADER
            + '@app.event_hub_message_trigger(arg_name="m", event_hub_name="h", connection="C")\n'
            "def f(m: func.EventHubEvent) -> None: ...\n",
            "Event Hub connection string 'C' is missing or empty",
        ),
        (
            HEADER
            + '@app.service_bus_queue_trigger(arg_name="m", queue_name="q", connection="C")\n'
            "def f(m: func.ServiceBusMessage) -> None: ...\n",
            "Function 'f': Microsoft Azure WebJobs SDK ServiceBus connection string 'C' is missing or empty",
        ),
        (
            HEADER
            + '@app.timer_trigger(arg_name="t", schedule="every day")\n'
            "def f(t: func.TimerRequest) -> None: ...\n",
            "Function 'f': The schedule expression 'every day' was not recognized",
        ),
        (
            HEADER + '@app.timer_trigger(arg_name="t", schedule="%NONE%")\ndef f(t: func.TimerRequest) -> None: ...\n',
            "Function 'f': '%NONE%' does not resolve to a value",
        ),
        (
            HEADER + '@app.route(route="a/{id")\ndef f(req: func.HttpRequest) -> str: ...\n',
            "Function 'f': route 'api/a/{id'",
        ),
        (HEADER + OK + OK, "does not have a unique function name"),
        (HEADER + '@app.function_name("my function")\n' + OK, "'my function' is not a valid function name."),
        ("import sys\nsys.exit(3)\n", "ends the process when it is imported: SystemExit(3)"),
    ],
)  # fmt: skip
def test_app_that_azure_refuses_is_refused(
    start_host: StartHost, write_app: Callable[..., Path], source: str, words: str
) -> None:
    shown = refusal(start_host(write_app(source), *_ONE_PROCESS))
    assert words in shown
    assert "azure_functions_runtime" not in shown
    assert shown.count(words) == 1


def test_missing_requirement_is_told_with_its_remedy(start_host: StartHost, write_app: Callable[..., Path]) -> None:
    app = write_app("import not_there\n")
    (app / "requirements.txt").write_text("not-there\n")
    host = start_host(app, *_ONE_PROCESS)
    own = host.folder / "app"
    command = f"-m pip install --target {own / '.python_packages/lib/site-packages'} -r {own / 'requirements.txt'}"
    assert refusal(host).rstrip().endswith(command)


def test_import_error_shows_the_apps_own_traceback(start_host: StartHost, write_app: Callable[..., Path]) -> None:
    shown = refusal(start_host(write_app("def broken():\n    return {}['key']\nbroken()\n")))
    assert 'function_app.py", line 2, in broken' in shown
    assert "KeyError: 'key'" in shown
    assert "handle_event" not in shown


@pytest.mark.parametrize(
    ("host_json", "words"),
    [
        ("{", "host.json is not valid JSON"),
        ('{"version": "2.0"}\n{"version": "2.0"}', "host.json is not valid JSON: Extra data: line 2"),
        ("{}", "missing the required 'version' property"),
        ('{"version": "1.0"}', "'1.0' is an invalid value"),
        ('{"version": "2.0", "functionTimeout": "soon"}', "'soon' is not a TimeSpan"),
    ],
)
def test_bad_host_json_is_refused_in_one_sentence(
    start_host: StartHost, write_app: Callable[..., Path], host_json: str, words: str
) -> None:
    shown = refusal(start_host(write_app(HEADER + OK, host_json), *_ONE_PROCESS))
    assert words in shown
    assert "Traceback" not in shown


def test_v1_app_is_refused_in_one_sentence(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "v1" / "hello").mkdir(parents=True)
    (tmp_path / "v1" / "hello" / "function.json").write_text("{}")
    shown = refusal(start_host(tmp_path / "v1"))
    assert "is an app of the v1 model (function.json)" in shown
    assert "Traceback" not in shown


def test_taken_port_is_refused_with_remedy(start_host: StartHost) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shown = refusal(start_host("http", "--port", str(port)))
    assert shown.startswith(f"Port {port} is unavailable")
    assert "--port" in shown


def test_killed_group_restarts_while_connections_wait(start_host: StartHost) -> None:
    host = start_host("http").wait_ready()
    before = host.children()["http"]
    before.kill()
    before.wait(10)
    assert httpx.get(host.url + "/api/items/7", timeout=30).text == "number 7"
    assert host.children()["http"].pid != before.pid
    assert "Group 'http' ended (killed by SIGKILL); it is started again." in host.errors
    eventually(lambda: httpx.get(host.url + "/admin/host/ping").status_code == 200, "running again")


def test_children_end_with_a_killed_parent(start_host: StartHost) -> None:
    host = start_host("http").wait_ready()
    children = list(host.children().values())
    host.process.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_sigterm_finishes_running_requests(start_host: StartHost) -> None:
    host = start_host("http").wait_ready()
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(httpx.get(host.url + "/api/slow?s=1", timeout=20)))
    caller.start()
    child = host.children()["http"]
    eventually(lambda: any(c.status == psutil.CONN_ESTABLISHED for c in child.net_connections("tcp")), "the request")
    host.process.send_signal(signal.SIGTERM)
    caller.join(20)
    assert [answer.text for answer in answers] == ["done"]
    assert host.ended() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(host.url)


def test_second_signal_ends_at_once(start_host: StartHost, write_app: Callable[..., Path]) -> None:
    source = "import time\n" + HEADER + OK.replace('return "ok"', "time.sleep(60)")
    host = start_host(write_app(source)).wait_ready()
    children = list(host.children().values())
    with socket.create_connection(("127.0.0.1", int(host.url.rpartition(":")[2]))) as caller:
        caller.sendall(b"GET /api/ok HTTP/1.1\r\nHost: x\r\n\r\n")
        host.process.send_signal(signal.SIGINT)
        caller.settimeout(0.5)
        with pytest.raises(TimeoutError):
            caller.recv(1)
        host.process.send_signal(signal.SIGINT)
        assert host.ended(5) == 130
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_flex_gives_each_scale_group_a_process(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    dsn = postgres.create_database("flex_groups")
    host = start_host(
        "timers", "--groups", "flex", "--database", dsn, RUNS=str(tmp_path / "runs"), HOURLY="0 0 * * * *"
    )
    host.wait_ready()
    assert set(host.children()) == {"http", "each_second", "at_start", "yearly", "failing"}


def test_flex_starts_what_the_app_has_now(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    """The groups of last time start at once; one that the app has lost ends, a new one joins."""
    arguments = ("timers", "--groups", "flex", "--database", postgres.create_database("flex_again"))
    first = start_host(*arguments, RUNS=str(tmp_path / "runs"), HOURLY="0 0 * * * *").wait_ready()
    first.stop()
    source = first.folder / "app" / "function_app.py"
    source.write_text(source.read_text().replace("yearly", "monthly"))

    again = start_host(*arguments, RUNS=str(tmp_path / "runs"), HOURLY="0 0 * * * *").wait_ready()
    wanted = {"http", "each_second", "at_start", "monthly", "failing"}
    eventually(lambda: set(again.children()) == wanted, "the groups of the changed app")
    assert set(json.loads((again.folder / "data" / "groups.json").read_text())) == wanted


def test_default_groups_are_two_processes(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    dsn = postgres.create_database("default_groups")
    host = start_host("timers", "--database", dsn, RUNS=str(tmp_path / "runs"), HOURLY="0 0 * * * *").wait_ready()
    assert set(host.children()) == {"http", "rest"}
    assert not (host.folder / "data" / "postgres").exists()


def test_environment_wins_over_the_settings_file(start_host: StartHost, write_app: Callable[..., Path]) -> None:
    source = "import os\n" + HEADER + OK.replace('return "ok"', 'return os.environ["ONE"] + os.environ["TWO"]')
    app = write_app(source)
    (app / "local.settings.json").write_text('{"Values": {"ONE": "file", "TWO": "file"}}')
    host = start_host(app, ONE="environment").wait_ready()
    assert host.call("GET", "/api/ok").text == "environmentfile"


def test_own_postgres_is_started_again_after_a_kill(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("timers", RUNS=str(tmp_path / "runs"), HOURLY="0 0 * * * *").wait_ready()
    (server,) = (
        process
        for process in psutil.Process(host.process.pid).children()
        if process.cmdline() and process.cmdline()[0].endswith("postgres")
    )
    server.kill()
    server.wait(10)
    eventually(lambda: "PostgreSQL ended; it is started again." in host.errors, "the restart")
    ran = len(host.log)
    eventually(lambda: [1 for line in host.log[ran:] if line["event"] == "Executed (Succeeded)"], "the timer going on")


def test_damaged_keys_are_refused_with_remedy(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "host" / "data").mkdir(parents=True)
    (tmp_path / "host" / "data" / "keys.json").write_text("{")
    assert "keys.json is damaged: delete it" in refusal(start_host("http"))


def test_keys_survive_a_restart(start_host: StartHost) -> None:
    first = start_host("http").wait_ready()
    keys = first.keys
    first.stop()
    assert start_host("http").wait_ready().keys == keys


def test_host_serves_when_its_log_has_no_room(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "err").symlink_to("/dev/full")
    host = start_host("http").wait_ready()

    assert host.call("GET", "/api/items/7").text == "number 7"
    before = host.children()["http"]
    before.kill()
    before.wait(10)
    assert host.call("GET", "/api/items/7").text == "number 7"
