"""Azure's published Durable patterns on the host: everything over HTTP, as a caller of the app sees it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulators.processes.postgres import PostgresServer
from emulators.tests.functions_host.running import RunningHost, eventually


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[RunningHost]:
    dsn = postgres.create_database("patterns")
    host = RunningHost.start(tmp_path_factory.mktemp("patterns"), "patterns", "--groups", "flex", "--database", dsn)
    yield host.wait_ready()
    host.stop()


def start(host: RunningHost, name: str, given: object = None, instance_id: str = "") -> dict[str, str]:
    """Start an orchestration; returns its management addresses."""
    path = f"/api/orchestrators/{name}" + (f"?id={instance_id}" if instance_id else "")
    answer = host.call("POST", path, json=given)
    assert answer.status_code == 202, answer.text
    addresses: dict[str, str] = answer.json()
    return addresses


def status(addresses: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(addresses["statusQueryGetUri"]).json()
    return found


def output(addresses: dict[str, str], timeout_s: float = 20) -> Any:
    """The output once the orchestration has completed."""

    def completed() -> dict[str, Any] | None:
        found = status(addresses)
        assert found["runtimeStatus"] not in ("Failed", "Terminated"), found
        return found if found["runtimeStatus"] == "Completed" else None

    found = eventually(completed, "completion", timeout_s)
    assert found is not None
    return found["output"]


def raise_event(addresses: dict[str, str], name: str, data: object) -> None:
    address = addresses["sendEventPostUri"].replace("{eventName}", name)
    assert httpx.post(address, json=data).status_code == 202


def test_chained_activities_answer_in_order(host: RunningHost) -> None:
    assert output(start(host, "chaining")) == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]


def test_fan_in_sums_what_fanned_out(host: RunningHost) -> None:
    assert output(start(host, "fan_out", 100)) == sum(number % 7 for number in range(100))


def test_fan_out_of_a_thousand_completes(host: RunningHost) -> None:
    began = time.monotonic()
    assert output(start(host, "fan_out", 1000), 60) == sum(number % 7 for number in range(1000))
    # The purpose is 5 s on a quiet machine; tests share theirs.
    assert time.monotonic() - began < 60


def test_async_http_api_answers_202_until_done(host: RunningHost) -> None:
    addresses = start(host, "long_running")
    eventually(lambda: status(addresses)["customStatus"] == "working", "the custom status")
    running = httpx.get(addresses["statusQueryGetUri"])
    assert (running.status_code, running.json()["runtimeStatus"]) == (202, "Running")
    assert running.headers["location"].startswith(host.url)
    raise_event(addresses, "finish", "joy")
    assert output(addresses) == "finished with joy"
    assert httpx.get(addresses["statusQueryGetUri"]).status_code == 200


def test_terminated_orchestration_says_so(host: RunningHost) -> None:
    addresses = start(host, "long_running")
    assert httpx.post(addresses["terminatePostUri"].replace("{text}", "enough")).status_code == 202
    eventually(lambda: status(addresses)["runtimeStatus"] == "Terminated", "the end")
    assert status(addresses)["output"] == "enough"


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"name": "quick", "completes_at": 3, "expires_s": 30}, {"status": "Completed", "polls": 3}),
        ({"name": "late", "completes_at": 1_000_000, "expires_s": 0.5}, {"status": "Expired"}),
    ],
)
def test_monitor_polls_until_done_or_expired(host: RunningHost, job: dict[str, Any], expected: dict[str, Any]) -> None:
    found = output(start(host, "monitor", job))
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(("answer", "expected"), [(True, "approved"), (False, "rejected")])
def test_human_answer_ends_the_wait(host: RunningHost, answer: bool, expected: str) -> None:
    addresses = start(host, "approval", {"name": expected, "due_s": 60})
    raise_event(addresses, "ApprovalEvent", answer)
    assert output(addresses) == expected


def test_unanswered_request_is_escalated(host: RunningHost) -> None:
    assert output(start(host, "approval", {"name": "nobody", "due_s": 0.2})) == "escalated nobody"


def test_aggregator_adds_up_all_signals(host: RunningHost) -> None:
    assert host.call("GET", "/api/counters/signals").status_code == 404
    for number in range(1, 6):
        assert host.call("POST", "/api/counters/signals", content=str(number)).status_code == 202
    eventually(lambda: host.call("GET", "/api/counters/signals").text == "15", "the sum")


def test_orchestration_signals_then_calls_an_entity(host: RunningHost) -> None:
    assert output(start(host, "count_twice", "called")) == 11
    assert host.call("GET", "/api/counters/called").text == "11"


def test_sub_orchestrations_run_side_by_side(host: RunningHost) -> None:
    assert output(start(host, "parent")) == [3, sum(number % 7 for number in range(10))]


def test_eternal_orchestration_keeps_its_state(host: RunningHost) -> None:
    addresses = start(host, "eternal", 0, "the-eternal-one")
    for _ in range(3):
        raise_event(addresses, "step", "on")
    raise_event(addresses, "step", "end")
    assert output(addresses) == 3


def test_developers_page_needs_the_key_and_lists_instances(host: RunningHost) -> None:
    output(start(host, "chaining", instance_id="shown-on-the-page"))
    assert host.call("GET", "/runtime/durable").status_code == 401
    page = host.client.get(host.url + "/runtime/durable", headers=host.master, follow_redirects=True)
    assert page.status_code == 200
    assert "shown-on-the-page" in page.text
    history = host.client.get(host.url + "/runtime/durable/instances/shown-on-the-page", headers=host.master)
    assert history.status_code == 200
    assert "say_hello" in history.text
    assert "Tokyo" not in history.text
