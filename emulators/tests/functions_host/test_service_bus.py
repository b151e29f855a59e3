"""The Service Bus trigger and output of the running host, against the messaging emulator."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusSender, ServiceBusSubQueue
from azure.servicebus.amqp import AmqpAnnotatedMessage

from emulators.processes.postgres import PostgresServer, free_port
from emulators.tests.functions_host.running import REPOSITORY, RunningHost, eventually

_QUEUES = [
    {"Name": "one", "Properties": {"MaxDeliveryCount": 3, "LockDuration": "PT2S"}},
    {"Name": "many", "Properties": {}},
    {"Name": "text", "Properties": {}},
    {"Name": "lane-batches", "Properties": {"RequiresSession": True}},
    {"Name": "lanes", "Properties": {"RequiresSession": True, "LockDuration": "PT5S", "MaxDeliveryCount": 20}},
]
_CONFIG = {"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": _QUEUES}]}}


@dataclass
class Broker:
    """The messaging emulator as a process that can be killed and started again."""

    dsn: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    senders: dict[str, ServiceBusSender] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=lambda: _CONFIG)

    @property
    def connection(self) -> str:
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName=RootManageSharedAccessKey;"
            "SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;"
        )

    def start(self) -> None:
        config = self.folder / "Config.json"
        config.write_text(json.dumps(self.config))
        command = [sys.executable, "-m", "emulators.messaging", "--database", self.dsn, "--config", str(config)]
        with (self.folder / "broker.out").open("w") as out, (self.folder / "broker.err").open("a") as err:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)], cwd=REPOSITORY, stdout=out, stderr=err
            )
        eventually(lambda: "messaging ready" in (self.folder / "broker.out").read_text(), "the broker")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.senders.clear()

    def send(self, queue: str, *messages: ServiceBusMessage | AmqpAnnotatedMessage) -> None:
        """Send one by one; the connection is kept, for the SDK takes a second to close one."""
        if queue not in self.senders:
            self.senders[queue] = ServiceBusClient.from_connection_string(self.connection).get_queue_sender(queue)
        for message in messages:
            self.senders[queue].send_messages(message)

    def dead(self, queue: str) -> list[tuple[str, str | None]]:
        """Body and reason of each dead-lettered message."""
        with (
            ServiceBusClient.from_connection_string(self.connection) as client,
            client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver,
        ):
            return [(str(message), message.dead_letter_reason) for message in receiver.peek_messages(50)]

    def left(self, queue: str) -> int:
        with (
            ServiceBusClient.from_connection_string(self.connection) as client,
            client.get_queue_receiver(queue) as receiver,
        ):
            return len(receiver.peek_messages(50))


@dataclass
class Scene:
    """A broker, a host and what its functions wrote."""

    broker: Broker
    host: RunningHost
    file: Path

    def seen(self, function: str) -> list[dict[str, Any]]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [line for line in map(json.loads, lines) if line["function"] == function]

    def wait_for(self, function: str, **wanted: object) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            hits = [line for line in self.seen(function) if all(line.get(key) == wanted[key] for key in wanted)]
            return hits[0] if hits else None

        line = eventually(found, f"{function} {wanted}")
        assert line is not None
        return line


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("bus")
    broker = Broker(postgres.create_database("bus"), folder, free_port())
    broker.start()
    environment = {"RUNS": str(folder / "runs"), "BUS": broker.connection, "ONE": "one"}
    host = RunningHost.start(folder / "host", "bus", environment=environment).wait_ready()
    yield Scene(broker, host, folder / "runs")
    host.stop()
    broker.kill()


def test_message_arrives_with_its_metadata(scene: Scene) -> None:
    trace = "00-2af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    message = ServiceBusMessage(
        "grüße",
        message_id="m-1",
        content_type="text/x",
        correlation_id="c-1",
        subject="s-1",
        application_properties={"traceparent": trace, "number": 7},
    )
    scene.broker.send("one", message)
    seen = scene.wait_for("one", message_id="m-1")
    assert seen["body"] == "grüße"
    assert (seen["content_type"], seen["correlation_id"], seen["subject"]) == ("text/x", "c-1", "s-1")
    assert seen["properties"] == {"traceparent": trace, "number": 7}
    assert (seen["delivery_count"], seen["trace"]) == (1, trace)
    assert seen["sequence_number"] > 0
    assert seen["enqueued"] is not None
    eventually(lambda: scene.broker.left("one") == 0, "completion")


def test_failing_message_is_counted_and_dead_lettered(scene: Scene) -> None:
    scene.broker.send("one", ServiceBusMessage("fail always"))
    dead = eventually(lambda: scene.broker.dead("one"), "the dead letter")
    assert dead == [("fail always", "MaxDeliveryCountExceeded")]
    counts = [line["delivery_count"] for line in scene.seen("one") if line["body"] == "fail always"]
    assert counts == [1, 2, 3]


def test_lock_is_renewed_while_the_function_runs(scene: Scene) -> None:
    scene.broker.send("one", *(ServiceBusMessage(f"slow {number}") for number in range(8)))
    for number in range(8):
        scene.wait_for("one", body=f"end of slow {number}")
    counts = Counter(line["body"] for line in scene.seen("one") if str(line["body"]).startswith("slow"))
    assert counts == {f"slow {number}": 1 for number in range(8)}


def test_calls_run_side_by_side_up_to_the_limit(scene: Scene) -> None:
    before = len(scene.seen("one"))
    started = time.monotonic()
    scene.broker.send("one", *(ServiceBusMessage(f"slow beside {number}") for number in range(8)))
    eventually(lambda: len(scene.seen("one")) == before + 16, "eight runs")
    assert time.monotonic() - started < 6


def test_many_takes_batches_of_what_waits(scene: Scene) -> None:
    with (
        ServiceBusClient.from_connection_string(scene.broker.connection) as client,
        client.get_queue_sender("many") as sender,
    ):
        sender.send_messages([ServiceBusMessage(f"{number}", message_id=f"id-{number}") for number in range(100)])
    eventually(lambda: sum(len(line["bodies"]) for line in scene.seen("many")) >= 100, "a hundred messages")
    batches = scene.seen("many")
    assert sorted(body for line in batches for body in line["bodies"]) == sorted(map(str, range(100)))
    assert max(len(line["bodies"]) for line in batches) > 5
    assert all(len(line["bodies"]) == len(line["ids"]) == len(line["counts"]) <= 50 for line in batches)


def test_lone_message_of_many_is_not_held_back(scene: Scene) -> None:
    waits = []
    for number in range(5):
        scene.broker.send("many", ServiceBusMessage(f"lone {number}"))
        sent = time.monotonic()
        eventually(
            lambda body=f"lone {number}": [1 for line in scene.seen("many") if body in line["bodies"]], "the run"
        )
        waits.append(time.monotonic() - sent)
    assert min(waits) < 0.15


def test_sessions_keep_their_order_and_hand_over(scene: Scene) -> None:
    sent = [(f"s{lane}", str(number)) for number in range(10) for lane in range(6)]
    scene.broker.send("lanes", *(ServiceBusMessage(body, session_id=session) for session, body in sent))
    eventually(lambda: len(scene.seen("lanes")) >= len(sent), "all sessions", 40)
    for lane in range(6):
        bodies = [line["body"] for line in scene.seen("lanes") if line["session"] == f"s{lane}"]
        assert bodies == [str(number) for number in range(10)]


def test_failing_message_holds_its_session_back(scene: Scene) -> None:
    scene.broker.send("lanes", *(ServiceBusMessage(body, session_id="held") for body in ("stubborn", "next")))

    def held() -> list[dict[str, Any]]:
        return [line for line in scene.seen("lanes") if line["session"] == "held"]

    eventually(lambda: "next" in [line["body"] for line in held()], "the message behind it", 40)
    lines = held()
    assert [line["body"] for line in lines] == ["stubborn"] * 13 + ["next"]
    waits = [later["at"] - line["at"] for line, later in pairwise(lines)]
    # Ten deliveries come at once; what fails then waits twice as long each time, and nothing overtakes it.
    assert [wait >= pause for wait, pause in zip(waits[10:12], (0.1, 0.2), strict=True)] == [True, True]


def test_batches_of_sessions_hold_one_session(scene: Scene) -> None:
    sent = [(f"s{lane}", f"{lane}-{number}") for number in range(20) for lane in range(2)]
    scene.broker.send("lane-batches", *(ServiceBusMessage(body, session_id=session) for session, body in sent))
    eventually(
        lambda: sum(len(line["bodies"]) for line in scene.seen("lane_batches")) >= len(sent), "both sessions", 40
    )
    assert all(len(set(line["sessions"])) == 1 for line in scene.seen("lane_batches"))
    for lane in range(2):
        seen = [body for line in scene.seen("lane_batches") for body in line["bodies"] if body.startswith(f"{lane}-")]
        assert seen == [f"{lane}-{number}" for number in range(20)]


def test_output_bindings_send_to_queues(scene: Scene) -> None:
    assert scene.host.call("POST", "/api/send", content="from http").text == "sent"
    assert scene.wait_for("one", body="from http")["content_type"] == "text/plain"
    scene.broker.send("text", ServiceBusMessage("shout"))
    scene.wait_for("one", body="SHOUT")


def test_trigger_outlives_a_killed_broker(scene: Scene) -> None:
    scene.broker.kill()
    scene.broker.start()
    for queue in ("one", "many"):
        scene.broker.send(queue, ServiceBusMessage("after the outage"))
    scene.wait_for("one", body="after the outage")
    eventually(lambda: [1 for line in scene.seen("many") if "after the outage" in line["bodies"]], "the batch")


def test_sigterm_lets_a_running_message_finish(scene: Scene) -> None:
    scene.broker.send("one", ServiceBusMessage("slow at the end"))
    scene.wait_for("one", body="slow at the end")
    scene.host.stop()
    assert scene.host.process.returncode == 0
    assert len([line for line in scene.seen("one") if line["body"] == "end of slow at the end"]) == 1
    assert scene.broker.left("one") == 0
