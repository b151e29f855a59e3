"""SignalR's bindings against the emulator, with the unmodified JavaScript client at the other end."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from emulators.tests.functions_host.conftest import StartHost
from emulators.tests.functions_host.running import REPOSITORY, RunningHost
from emulators.tests.signalr.javascript import javascript_client
from emulators.tests.signalr.support import KEY


@dataclass
class World:
    host: RunningHost
    service: str

    def send(self, *items: dict[str, object]) -> int:
        return self.host.call("POST", "/api/send", json=items[0] if len(items) == 1 else list(items)).status_code

    def claims(self, path: str, **options: object) -> dict[str, object]:
        answer = self.host.call("POST", path, **options).json()
        assert answer["url"] == f"{self.service}/client/?hub=chat"
        claims: dict[str, object] = jwt.decode(
            answer["accessToken"], KEY, ["HS256"], audience=f"{self.service}/client/?hub=chat"
        )
        return claims


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    command = [sys.executable, "-m", "emulators.signalr", "--port", "0", "--access-key", KEY]
    emulator = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert emulator.stdout is not None
    service = emulator.stdout.readline().decode().split()[-1]
    settings = {"AzureSignalRConnectionString": f"Endpoint={service};AccessKey={KEY};Version=1.0;", "HUB": "chat"}
    host = RunningHost.start(tmp_path_factory.mktemp("signalr"), "signalr", environment=settings)
    yield World(host.wait_ready(), service)
    host.stop()
    emulator.terminate()
    emulator.wait()


def test_negotiated_token_names_the_user_of_the_header(world: World) -> None:
    claims = world.claims("/api/negotiate", headers={"X-User": "alice"})
    assert claims["nameid"] == "alice"
    assert isinstance(claims["exp"], int)
    assert 3500 < claims["exp"] - time.time() <= 3600


def test_negotiation_without_the_header_is_anonymous(world: World) -> None:
    assert "nameid" not in world.claims("/api/negotiate")


def test_chosen_claims_of_the_id_token_are_copied(world: World) -> None:
    token = jwt.encode({"team": "blue", "secret": 1}, "any key that is long enough for it")
    claims = world.claims("/api/negotiate", headers={"X-Id-Token": f"Bearer {token}"})
    assert claims["team"] == "blue"
    assert "secret" not in claims
    refused = world.host.call("POST", "/api/negotiate", headers={"X-Id-Token": "rubbish"})
    assert refused.status_code == 500


def test_user_comes_from_query_route_and_body(world: World) -> None:
    claims = world.claims("/api/users/b/negotiate?prefix=a", json={"suffix": "c"})
    assert claims["nameid"] == "abc"


async def test_client_receives_user_group_and_all_messages(world: World) -> None:
    async with javascript_client(f"{world.host.url}/api/users/al%20ice") as client:
        assert world.send({"userId": "al ice", "groupName": "g g", "action": "add"}) == 200
        assert world.send({"target": "hello", "userId": "bob", "arguments": ["no"]}) == 200
        assert world.send({"target": "hello", "groupName": "g g", "arguments": ["group"]}) == 200
        assert await client.event("hello") == ["group"]
        assert world.send({"userId": "al ice", "action": "removeAll"}) == 200
        world.send(
            {"target": "hello", "groupName": "g g", "arguments": ["no"]},
            {"target": "hello", "userId": "al ice", "arguments": ["user", {"n": 1}]},
        )
        assert await client.event("hello") == ["user", {"n": 1}]
        world.host.call("POST", "/api/several")
        assert [await client.event("hello") for _ in range(3)] == [[0], [1], [2]]


async def test_connection_joins_a_group_by_its_id(world: World) -> None:
    async with javascript_client(f"{world.host.url}/api") as client:
        client.order("id")
        its_id = await client.event("id")
        assert world.send({"connectionId": its_id, "groupName": "g", "action": "add"}) == 200
        assert world.send({"target": "hello", "groupName": "g", "arguments": []}) == 200
        assert await client.event("hello") == []
        assert world.send({"connectionId": its_id, "groupName": "g", "action": "remove"}) == 200
        assert world.send({"connectionId": its_id, "target": "hello", "groupName": "g", "arguments": [1]}) == 200
        assert await client.event("hello") == [1]


@pytest.mark.parametrize(
    "item",
    [
        {"arguments": []},
        {"action": "add", "userId": "u"},
        {"action": "add", "groupName": "g"},
        {"action": "jump", "userId": "u", "groupName": "g"},
        {"action": "add", "connectionId": "nobody", "groupName": "g"},
        {"target": ""},
    ],
)
def test_value_that_cannot_be_sent_fails_the_function(world: World, item: dict[str, object]) -> None:
    assert world.send(item) == 500


HEADER = 'import azure.functions as func\napp = func.FunctionApp()\n@app.route(route="x")\n'


@pytest.mark.parametrize(
    ("binding", "settings", "words"),
    [
        (
            'generic_output_binding(arg_name="out", type="signalR", hubName="h")',
            {},
            "The SignalR Service connection string 'AzureSignalRConnectionString' is missing or empty",
        ),
        (
            'generic_output_binding(arg_name="out", type="signalR", hubName="h", connectionStringSetting="S")',
            {"S": "Endpoint=https://x.service.signalr.net;AuthType=azure;"},
            "connecting with an identity (AuthType) is not supported by this host",
        ),
        ('generic_output_binding(arg_name="out", type="signalR")', {}, "must name its hub in hubName"),
    ],
)
def test_incomplete_signalr_binding_is_refused_at_start(
    start_host: StartHost, write_app: Callable[[str], Path], binding: str, settings: dict[str, str], words: str
) -> None:
    source = f"{HEADER}@app.{binding}\ndef f(req: func.HttpRequest, out: func.Out[str]) -> str: ...\n"
    host = start_host(write_app(source), "--groups", "flex", **settings)
    assert host.ended() == 1
    assert words in host.errors


def test_signalr_trigger_is_refused_in_one_sentence(start_host: StartHost, write_app: Callable[[str], Path]) -> None:
    trigger = {"arg_name": "context", "type": "signalRTrigger", "hubName": "h", "category": "messages"}
    arguments = ", ".join(f"{name}={json.dumps(value)}" for name, value in trigger.items())
    source = f"import azure.functions as func\napp = func.FunctionApp()\n@app.generic_trigger({arguments})\n"
    host = start_host(write_app(source + "def f(context) -> None: ...\n"), "--groups", "flex")
    assert host.ended() == 1
    assert host.errors.count("'signalRTrigger' is not supported: it needs upstream calls") == 1
    assert "Traceback" not in host.errors
