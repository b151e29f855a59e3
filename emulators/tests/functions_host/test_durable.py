"""Durable functions through the host: client binding, local RPC, webhooks, groups."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from emulators.processes.postgres import PostgresServer
from emulators.tests.functions_host.running import RunningHost, eventually


@pytest.fixture(scope="module", params=["default", "flex"])
def durable_host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[RunningHost]:
    dsn = postgres.create_database(f"durable_{request.param}")
    host = RunningHost.start(
        tmp_path_factory.mktemp("durable"),
        "durable",
        "--groups",
        request.param,
        "--database",
        dsn,
        environment={"HUB": "tested"},
    )
    yield host.wait_ready()
    host.stop()


def test_chain_of_activities_completes(durable_host: RunningHost) -> None:
    assert durable_host.call("POST", "/api/wait/chain", json="hi").text == "hi!!!"


def test_activity_failure_reaches_the_orchestrator(durable_host: RunningHost) -> None:
    answer = durable_host.call("POST", "/api/wait/renamed", json="luck").text
    assert "ValueError: no luck" in answer


def test_status_address_carries_the_system_key(durable_host: RunningHost) -> None:
    started = durable_host.call("POST", "/api/start/chain", json="hi")
    assert started.status_code == 202
    address = started.json()["statusQueryGetUri"]
    assert address.startswith(durable_host.url + "/runtime/webhooks/durabletask/instances/")

    def completed() -> bool:
        return bool(httpx.get(address).json()["runtimeStatus"] == "Completed")

    eventually(completed, "completion")
    without_key = urlsplit(address)._replace(query="").geturl()
    assert httpx.get(without_key).status_code == 401
    assert httpx.get(without_key, headers=durable_host.master).status_code == 200


def test_durable_process_survives_a_kill(durable_host: RunningHost) -> None:
    (worker,) = (child for name, child in durable_host.children().items() if name != "http")
    worker.kill()
    worker.wait(10)
    assert durable_host.call("POST", "/api/wait/chain", json="again").text == "again!!!"
