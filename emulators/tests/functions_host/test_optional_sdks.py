"""Apps that use neither Event Hubs nor storage run without their SDKs; others are refused, naming what is missing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emulators.tests.functions_host.conftest import StartHost

HEADER = "import azure.functions as func\napp = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n"
_WITHOUT = """import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("azure.eventhub", "azure.storage")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def without_sdks(tmp_path: Path) -> str:
    """A folder for PYTHONPATH with which azure-eventhub and the azure-storage SDKs cannot be imported."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_WITHOUT)
    return str(folder)


def test_http_app_runs_without_the_event_hubs_sdk(
    start_host: StartHost, write_app: Callable[[str], Path], without_sdks: str
) -> None:
    source = HEADER + '@app.route(route="x")\ndef x(req: func.HttpRequest) -> str:\n    return "here"\n'
    host = start_host(write_app(source), "--groups", "flex", PYTHONPATH=without_sdks).wait_ready()
    assert host.call("GET", "/api/x").text == "here"


@pytest.mark.parametrize(
    "binding",
    [
        '@app.event_hub_message_trigger(arg_name="e", event_hub_name="h", connection="C")\n'
        "def f(e: func.EventHubEvent) -> None: ...\n",
        '@app.route(route="x")\n@app.event_hub_output(arg_name="e", event_hub_name="h", connection="C")\n'
        "def f(req: func.HttpRequest, e: func.Out[str]) -> str: ...\n",
    ],
)
def test_event_hubs_app_without_the_sdk_is_refused(
    start_host: StartHost, write_app: Callable[[str], Path], without_sdks: str, binding: str
) -> None:
    host = start_host(write_app(HEADER + binding), "--groups", "flex", PYTHONPATH=without_sdks, C="Endpoint=x")
    assert host.ended() == 1
    assert "Function 'f': Event Hubs bindings need the azure-eventhub SDK" in host.errors
    assert "Traceback" not in host.errors


def test_storage_app_without_the_sdk_is_refused(
    start_host: StartHost, write_app: Callable[[str], Path], without_sdks: str
) -> None:
    binding = (
        '@app.queue_trigger(arg_name="m", queue_name="abc", connection="C")\ndef f(m: func.QueueMessage) -> None: ...\n'
    )
    host = start_host(write_app(HEADER + binding), PYTHONPATH=without_sdks, C="UseDevelopmentStorage=true")
    assert host.ended() == 1
    assert "Function 'f': binding 'm' of type 'queueTrigger': queue and blob storage need the azure-st" in host.errors
    assert "Traceback" not in host.errors
