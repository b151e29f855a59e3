"""Groups are forked from a process that has only imported; an app notices nothing of it but the time it saves."""

import json
from collections.abc import Callable
from pathlib import Path

import psutil

from emulators.tests.functions_host.conftest import StartHost
from emulators.tests.functions_host.running import RunningHost, eventually

_SOURCE = """
import os
import subprocess
import sys
import azure.functions as func
app = func.FunctionApp()

@app.route(route="facts", auth_level="anonymous")
def facts(req: func.HttpRequest) -> str:
    return f"{os.environ.get('COLOUR')} {os.getppid()} {'pyclbr' in sys.modules}"

@app.route(route="leave", auth_level="anonymous")
def leave(req: func.HttpRequest) -> str:
    left = subprocess.Popen(["sh", "-c", "sleep 0.3 & echo $!"], stdout=subprocess.PIPE)
    return left.stdout.readline().decode()
"""


def _template(host: RunningHost) -> psutil.Process:
    def find() -> psutil.Process | None:
        children = psutil.Process(host.process.pid).children()
        return next((child for child in children if "--template" in child.cmdline()), None)

    found = eventually(find, "the template")
    assert found is not None
    return found


def _facts(host: RunningHost) -> str:
    return host.call("GET", "/api/facts").text


def _replace_http(host: RunningHost) -> None:
    before = host.children()["http"]
    before.kill()
    before.wait(10)


def test_a_forked_group_is_a_fresh_process_of_the_host(start_host: StartHost, write_app: Callable[..., Path]) -> None:
    app = write_app(_SOURCE)
    (app / "local.settings.json").write_text('{"Values": {"COLOUR": "red"}}')
    host = start_host(app, "--preload", "pyclbr").wait_ready()
    assert _facts(host) == f"red {host.process.pid} True"

    (host.folder / "app" / "local.settings.json").write_text('{"Values": {"COLOUR": "blue"}}')
    _replace_http(host)

    assert _facts(host) == f"blue {host.process.pid} True"


def test_groups_start_again_without_their_template(start_host: StartHost, write_app: Callable[..., Path]) -> None:
    host = start_host(write_app(_SOURCE), "--preload", "pyclbr").wait_ready()
    template = _template(host)
    template.kill()
    template.wait(10)
    _replace_http(host)
    assert _facts(host).endswith(f"{host.process.pid} False")

    _replace_http(host)
    assert _facts(host).endswith(f"{host.process.pid} True")


def test_what_cannot_be_forked_is_started_by_itself(
    start_host: StartHost, write_app: Callable[..., Path], tmp_path: Path
) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "with_thread.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    host = start_host(write_app(_SOURCE), "--preload", "with_thread", PYTHONPATH=str(modules)).wait_ready()

    assert _facts(host).endswith(f"{host.process.pid} False")
    words = "Groups are started without a template: an imported module has started a thread."
    assert words in json.dumps(host.log)


def test_processes_that_a_group_left_behind_are_buried(start_host: StartHost, write_app: Callable[..., Path]) -> None:
    host = start_host(write_app(_SOURCE)).wait_ready()
    left = psutil.Process(int(host.call("GET", "/api/leave").text))
    _replace_http(host)

    eventually(lambda: not left.is_running(), "the end of what was left behind")
    assert psutil.STATUS_ZOMBIE not in {child.status() for child in psutil.Process(host.process.pid).children()}
