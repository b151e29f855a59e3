"""An app's requirements lie in a folder of its own, and what the host is built on stays the host's."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from emulators.tests.functions_host.conftest import StartHost
from emulators.tests.functions_host.running import RunningHost

HEADER = "import azure.functions as func\napp = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n"
_VERSIONS = """import azure.servicebus, colours
@app.route(route="x")
def x(req: func.HttpRequest) -> str:
    return f"{azure.servicebus.__version__} {colours.__version__}"
@app.service_bus_queue_trigger(arg_name="m", queue_name="q", connection="BUS")
def q(m: func.ServiceBusMessage) -> None: ...
"""
_BUS = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true;"
_DURABLE = """import azure.durable_functions as df
app = df.DFApp()
"""


def put(folder: Path, distribution: str, number: str, module: str, source: str) -> None:
    """Install a made-up version of a package into a folder."""
    place = folder.joinpath(*module.split("."))
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(f'__version__ = "{number}"\n{source}')
    info = folder / f"{distribution.replace('-', '_')}-{number}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {number}\n")
    (info / "RECORD").write_text(f"{module.replace('.', '/')}/__init__.py,,\n")


def refusal(host: RunningHost) -> str:
    assert host.ended() == 1
    assert "Traceback" not in host.errors
    return host.errors.strip().splitlines()[-1]


def test_app_pins_do_not_replace_the_hosts_sdks(start_host: StartHost, write_app: Callable[[str], Path]) -> None:
    app = write_app(HEADER + _VERSIONS)
    packages = app / ".python_packages/lib/site-packages"
    put(packages, "azure-servicebus", "7.0.0", "azure.servicebus", "raise ImportError('the pin of the app')")
    put(packages, "colours", "3.1", "colours", "")
    host = start_host(app, BUS=_BUS).wait_ready()
    own = version("azure-servicebus")
    assert host.call("GET", "/api/x").text == f"{own} 3.1"
    [said] = [line for line in host.log if "packages" in line]
    assert (said["level"], said["packages"]) == ("warning", f"azure-servicebus 7.0.0 ({own})")


@pytest.mark.parametrize("source", ["", "raise ModuleNotFoundError('durabletask', name='durabletask')"])
def test_durable_sdk_of_another_protocol_is_refused(
    start_host: StartHost, write_app: Callable[[str], Path], source: str
) -> None:
    app = write_app(_DURABLE)
    whole = source or "from azure.functions import FunctionApp as DFApp"
    packages = app / ".python_packages/lib/site-packages"
    put(packages, "azure-functions-durable", "2.0.0", "azure.durable_functions", whole)
    assert refusal(start_host(app)) == (
        "azure-functions-durable 2.0.0 is not served by this host, which speaks the protocol of the versions "
        "<2,>=1.2.4: install azure-functions-durable<2,>=1.2.4"
    )


def test_event_hubs_sdk_that_cannot_work_is_refused(
    start_host: StartHost, write_app: Callable[[str], Path], tmp_path: Path
) -> None:
    put(tmp_path / "old", "azure-eventhub", "5.11.7", "azure.eventhub", "")
    binding = '@app.event_hub_message_trigger(arg_name="e", event_hub_name="h", connection="C")\n'
    app = write_app(f"{HEADER}{binding}def f(e: func.EventHubEvent) -> None: ...\n")
    host = start_host(app, PYTHONPATH=str(tmp_path / "old"), C="Endpoint=x")
    words = "Function 'f': azure-eventhub 5.11.7 is installed and this host needs azure-eventhub>=5.12: "
    assert refusal(host).startswith(words)


def test_host_refuses_an_environment_that_cannot_work(
    start_host: StartHost, write_app: Callable[[str], Path], tmp_path: Path
) -> None:
    put(tmp_path / "old", "azure-servicebus", "7.13.0", "azure.servicebus", "")
    host = start_host(write_app(HEADER), PYTHONPATH=str(tmp_path / "old"))
    assert refusal(host).startswith("azure-servicebus 7.13.0 is installed and this host needs azure-servicebus>=7.14: ")
