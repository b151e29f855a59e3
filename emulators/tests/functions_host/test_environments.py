"""An app's requirements lie in a folder of its own, and what the host is built on stays the host's."""

from collections.abc import Callable
from importlib.metadata import Distribution, distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from emulators.functions.package_choice import needed_by, taken_from_host
from emulators.tests.functions_host.conftest import StartHost
from emulators.tests.functions_host.running import RunningHost

HEADER = "import azure.functions as func\napp = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n"
_VERSIONS = """import azure.servicebus, colours, pydantic
@app.route(route="x")
def x(req: func.HttpRequest) -> str:
    return f"{azure.servicebus.__version__} {colours.__version__} {pydantic.__version__}"
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


def installed(folder: Path, **packages: str) -> dict[NormalizedName, Distribution]:
    """Made-up distributions: `name="1.0 other>=2"` is a version and its requirements."""
    for name, described in packages.items():
        number, *requirements = described.split()
        info = folder / f"{name}-{number}.dist-info"
        info.mkdir(parents=True)
        lines = [
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}",
            *(f"Requires-Dist: {r}" for r in requirements),
        ]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
    return {canonicalize_name(one.name): one for one in distributions(path=[str(folder)])}


def test_versions_are_chosen_so_that_they_fit_together(tmp_path: Path) -> None:
    host = installed(
        tmp_path / "host", sdk="2.0 core>=2", core="2.5", web="1.0 io>=3", io="3.1", lone="1.0", other="9.0"
    )
    app = installed(tmp_path / "app", sdk="1.0", core="1.0", web="0.5 io<3", io="2.9", other="1.0")
    needed = needed_by(["sdk", "web", "lone"], host)

    def taken(*own: str) -> set[str]:
        return {*taken_from_host(needed, host, app, always=["sdk"], own=[Requirement(text) for text in own])}

    assert needed == {"sdk", "core", "web", "io", "lone"}
    # The SDK is the host's, and so is the core that it needs; the app's web framework brings its own io.
    assert taken("web>=0.5") == {"sdk", "core", "lone"}
    # What the host does not accept it takes from its own environment, with what that needs.
    assert taken("web>=0.6") == {"sdk", "core", "lone", "web", "io"}


def refusal(host: RunningHost) -> str:
    assert host.ended() == 1
    assert "Traceback" not in host.errors
    return host.errors.strip().splitlines()[-1]


def test_app_pins_do_not_replace_the_hosts_sdks(start_host: StartHost, write_app: Callable[[str], Path]) -> None:
    app = write_app(HEADER + _VERSIONS)
    packages = app / ".python_packages/lib/site-packages"
    put(packages, "azure-servicebus", "7.0.0", "azure.servicebus", "raise ImportError('the pin of the app')")
    put(packages, "colours", "3.1", "colours", "")
    put(packages, "pydantic", "1.10.0", "pydantic", "")
    host = start_host(app, BUS=_BUS).wait_ready()
    own = version("azure-servicebus")
    assert host.call("GET", "/api/x").text == f"{own} 3.1 1.10.0"
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
