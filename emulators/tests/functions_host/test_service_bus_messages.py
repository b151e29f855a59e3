"""What a Service Bus trigger passes to functions, field by field, and messages that cannot be read or always fail.

The fields are those that `ServiceBusTriggerBindingStrategy` of Azure/azure-sdk-for-net adds to the binding data.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpAnnotatedMessage

from emulators.functions import service_bus
from emulators.functions.definitions import ServiceBusTrigger
from emulators.functions.service_bus import ServiceBusListener, ServiceBusOptions
from emulators.functions.worker import TypedData
from emulators.processes.background import Background
from emulators.processes.postgres import PostgresServer, free_port
from emulators.tests.functions_host.running import RunningHost, eventually
from emulators.tests.functions_host.test_service_bus import Broker, Scene
from emulators.tests.support.waiting import eventually as soon

ALWAYS = {
    "ApplicationProperties": dict,
    "DeliveryCount": int,
    "EnqueuedTime": str,
    "EnqueuedTimeUtc": str,
    "ExpiresAt": str,
    "ExpiresAtUtc": str,
    "LockToken": str,
    "SequenceNumber": int,
    "UserProperties": dict,
}
IF_GIVEN = {
    "ContentType": str,
    "CorrelationId": str,
    "DeadLetterSource": str,
    "Label": str,
    "MessageId": str,
    "PartitionKey": str,
    "ReplyTo": str,
    "ReplyToSessionId": str,
    "SessionId": str,
    "Subject": str,
    "To": str,
    "TransactionPartitionKey": str,
}
_QUEUES = [
    {"Name": "one", "Properties": {"MaxDeliveryCount": 2}},
    {"Name": "many", "Properties": {}},
    {"Name": "parked", "Properties": {}},
    {"Name": "read", "Properties": {"MaxDeliveryCount": 2}},
]
_CONFIG = {"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": _QUEUES}]}}
_AT_ONCE = 10
_ID = UUID("929ae612-1dda-4b5b-99ce-812fe8fa741b")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Broker]:
    found = Broker(postgres.create_database("metadata"), tmp_path_factory.mktemp("bus"), free_port(), config=_CONFIG)
    found.start()
    yield found
    found.kill()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("metadata")
    environment = {"RUNS": str(folder / "runs"), "BUS": broker.connection}
    host = RunningHost.start(folder / "host", "bus_metadata", environment=environment).wait_ready()
    yield Scene(broker, host, folder / "runs")
    host.stop()


def test_single_message_has_the_fields_of_the_extension(scene: Scene) -> None:
    message = ServiceBusMessage(
        "full",
        message_id="m",
        content_type="text/x",
        correlation_id="c",
        subject="s",
        to="t",
        reply_to="r",
        reply_to_session_id="rs",
        session_id="k",
        partition_key="k",
        time_to_live=timedelta(days=30),
        application_properties={"id": _ID, "n": 7},
    )
    message.raw_amqp_message.annotations = {b"x-opt-partition-key": "k", b"x-opt-via-partition-key": "via"}
    scene.broker.send("one", message, ServiceBusMessage("bare"))
    full, bare = scene.wait_for("one", body="full"), scene.wait_for("one", body="bare")
    missing = {"DeadLetterSource"}
    assert {name: type(value) for name, value in full["metadata"].items()} == {
        **ALWAYS,
        **{name: kind for name, kind in IF_GIVEN.items() if name not in missing},
    }
    assert {name: type(value) for name, value in bare["metadata"].items()} == ALWAYS | {"MessageId": str}
    assert full["metadata"]["ApplicationProperties"] == {"id": str(_ID), "n": 7}
    assert full["metadata"]["TransactionPartitionKey"] == "via"


def test_times_have_the_forms_of_the_extension(scene: Scene) -> None:
    scene.broker.send("one", ServiceBusMessage("forever"))
    seen = scene.wait_for("one", body="forever")
    assert seen["metadata"]["ExpiresAtUtc"] == "9999-12-31T23:59:59.9999999"
    assert seen["metadata"]["ExpiresAt"] == "9999-12-31T23:59:59.9999999+00:00"
    assert seen["expires"] == "9999-12-31 23:59:59.999999"
    assert seen["metadata"]["EnqueuedTime"] == f"{seen['metadata']['EnqueuedTimeUtc']}+00:00"
    assert not seen["aware"]


def test_batch_has_arrays_aligned_with_its_messages(scene: Scene) -> None:
    days = [1, 30, 49]
    messages = [ServiceBusMessage(f"{n}", message_id=f"id-{n}", time_to_live=timedelta(days=n)) for n in days]
    messages[1].session_id = "s"
    scene.broker.send("many", *messages, ServiceBusMessage("after"))
    seen = {body: scene.wait_for("many", body=body) for body in [*map(str, days), "after"]}
    assert {name for line in seen.values() for name in line["names"]} == {f"{name}Array" for name in ALWAYS | IF_GIVEN}
    assert [seen[str(n)]["message_id"] for n in days] == [f"id-{n}" for n in days]
    assert [seen[str(n)]["session_id"] for n in days] == [None, "s", None]


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"a": 1, "b": [1, {"c": _ID}]}, f'{{"a":1,"b":[1,{{"c":"{_ID}"}}]}}'),
        ({b"k": b"v\xff", 2: None}, '{"k":"dv8=","2":null}'),
        (_ID, str(_ID)),
        ("text", "text"),
        (5, "5"),
        (float("inf"), "inf"),
        ([1, "a"], '[1,"a"]'),
        (None, "null"),
    ],
    ids=str,
)
def test_value_bodies_arrive_as_json_or_text(scene: Scene, value: object, body: str) -> None:
    scene.broker.send("one", AmqpAnnotatedMessage(value_body=value))
    scene.wait_for("one", body=body)


def test_failing_dead_letter_neither_spins_nor_blocks_others(scene: Scene) -> None:
    client = ServiceBusClient.from_connection_string(scene.broker.connection)
    with client, client.get_queue_sender("parked") as sender, client.get_queue_receiver("parked") as receiver:
        for body in ("poison", "harmless"):
            sender.send_messages(ServiceBusMessage(body))
            [message] = receiver.receive_messages()
            receiver.dead_letter_message(message)
            scene.wait_for("dead", body=body)

    def failures() -> list[float]:
        return [line["at"] for line in scene.seen("dead") if line["body"] == "poison"]

    eventually(lambda: len(failures()) >= _AT_ONCE + 4, "failures that are held back")
    assert failures()[_AT_ONCE + 3] - failures()[_AT_ONCE - 1] >= 0.1 + 0.2 + 0.4


class Runs:
    """An executor that notes the bodies it is given."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    async def run(self, _function: object, given: TypedData, *_rest: object) -> Any:
        self.bodies += given.value.string
        return SimpleNamespace(failure=None)


async def test_unreadable_message_is_abandoned_alone(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    read = service_bus.batch_input

    def read_or_fail(messages: Sequence[ServiceBusReceivedMessage], *, binary: bool) -> TypedData:
        if any(str(message) == "bad" for message in messages):
            raise ValueError("bad")
        return read(messages, binary=binary)

    monkeypatch.setattr(service_bus, "batch_input", read_or_fail)
    broker.send("read", *map(ServiceBusMessage, ("first", "bad", "last")))
    trigger = ServiceBusTrigger("m", "read", None, "BUS", many=True, sessions=False, binary=False, auto_complete=None)
    function, executor = SimpleNamespace(name="f", trigger=trigger), Runs()
    listener = ServiceBusListener(function, broker.connection, ServiceBusOptions(), executor)  # type: ignore[arg-type]
    listener.start(Background())
    try:
        await soon(lambda: sorted(executor.bodies) == ["first", "last"])
        await soon(lambda: asyncio.to_thread(broker.dead, "read"))
    finally:
        listener.stop()
        await listener.wait_closed(5)
    assert broker.dead("read") == [("bad", "MaxDeliveryCountExceeded")]
    assert broker.left("read") == 0
