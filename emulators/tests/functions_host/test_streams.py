"""The topic and event hub triggers and outputs of the running host, against the messaging emulator."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from azure.eventhub import EventData, EventHubProducerClient
from azure.servicebus import ServiceBusMessage

from emulators.functions.event_hubs import EventHubOptions
from emulators.functions.settings import SettingsError
from emulators.processes.postgres import PostgresServer, free_port
from emulators.tests.functions_host.running import RunningHost, eventually
from emulators.tests.functions_host.test_service_bus import Broker, Scene

_RULE = {"Name": "big", "Properties": {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "size > 5 OR size IS NULL"}}}
_TOPIC = {
    "Name": "orders",
    "Subscriptions": [{"Name": "large", "Properties": {"MaxDeliveryCount": 2}, "Rules": [_RULE]}],
}
_HUBS = [
    {"Name": "one", "PartitionCount": 2},
    {"Name": "again", "PartitionCount": 1},
    {"Name": "patient", "PartitionCount": 1},
    {"Name": "many", "PartitionCount": 4, "ConsumerGroups": [{"Name": "workers"}]},
]
_CONFIG = {"UserConfig": {"Namespaces": [{"Topics": [_TOPIC]}], "NamespaceConfig": [{"Entities": _HUBS}]}}


@dataclass
class Streams(Scene):
    """A scene whose host keeps checkpoints in a database that tests can read."""

    dsn: str = ""

    def publish(self, hub: str, *bodies: str, **options: Any) -> None:
        with EventHubProducerClient.from_connection_string(self.broker.connection, eventhub_name=hub) as producer:
            events = [EventData(body) for body in bodies]
            for event in events:
                event.properties = {"origin": "test"}
            producer.send_batch(events, **options)

    def checkpoint(self, hub: str, partition: str) -> int | None:
        """The sequence number up to which the host has read."""
        query = "SELECT sequence_number FROM functions_host.event_hub_checkpoints WHERE (hub, partition_id) = (%s, %s)"
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute(query, (hub, partition)).fetchone()
        return None if row is None else int(row[0])

    def environment(self) -> dict[str, str]:
        return {
            "RUNS": str(self.file),
            "BUS": self.broker.connection,
            "HUBS": self.broker.connection,
            "TOPIC": "orders",
        }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Streams]:
    folder = tmp_path_factory.mktemp("streams")
    broker = Broker(postgres.create_database("streams_bus"), folder, free_port(), config=_CONFIG)
    broker.start()
    dsn = postgres.create_database("streams_host")
    scene = Streams(broker, None, folder / "runs", dsn)  # type: ignore[arg-type]
    scene.host = RunningHost.start(
        folder / "host", "streams", "--database", dsn, environment=scene.environment()
    ).wait_ready()
    yield scene
    scene.host.stop()
    broker.kill()


# Of EventHubTriggerBindingStrategy in Azure/azure-sdk-for-net; one event has them without "Array".
_ARRAYS = {
    "EnqueuedTimeUtcArray",
    "OffsetArray",
    "OffsetStringArray",
    "PartitionKeyArray",
    "PropertiesArray",
    "SequenceNumberArray",
    "SystemPropertiesArray",
}
_CONTEXTS = {"PartitionContext", "TriggerPartitionContext"}


def test_subscription_triggers_on_what_its_rule_takes(scene: Streams) -> None:
    scene.broker.send(
        "orders",
        ServiceBusMessage("small", application_properties={"size": 1}),
        ServiceBusMessage("big", application_properties={"size": 9}),
    )
    assert scene.wait_for("large", body="big")["count"] == 1
    assert "small" not in [line["body"] for line in scene.seen("large")]


def test_failing_message_of_a_subscription_is_dead_lettered(scene: Streams) -> None:
    scene.broker.send("orders", ServiceBusMessage("fail"))
    dead = eventually(lambda: scene.broker.dead("orders/Subscriptions/large"), "the dead letter")
    assert dead == [("fail", "MaxDeliveryCountExceeded")]


def test_one_event_arrives_with_its_metadata(scene: Streams) -> None:
    scene.publish("one", "grüße", partition_key="k")
    seen = scene.wait_for("one", body="grüße")
    metadata = seen["metadata"]
    assert (seen["partition_key"], metadata["Properties"]) == ("k", {"origin": "test"})
    assert seen["sequence_number"] >= 0
    assert int(seen["offset"]) >= 0
    assert metadata.keys() == {*(name.removesuffix("Array") for name in _ARRAYS), *_CONTEXTS}
    system = metadata["SystemProperties"]
    assert metadata["Offset"] == metadata["OffsetString"] == system["OffsetString"] == str(system["Offset"])
    assert system["x-opt-enqueued-time"] == f"{system['EnqueuedTimeUtc']}+00:00"
    assert system["EnqueuedTimeUtc"] == metadata["EnqueuedTimeUtc"]
    assert metadata["TriggerPartitionContext"] == metadata["PartitionContext"] | {
        "EventHubName": "one",
        "ConsumerGroup": "$Default",
        "IsCheckpointingAfterInvocation": True,
    }
    assert metadata["PartitionContext"]["PartitionId"] in ("0", "1")


def test_checkpoint_moves_on_past_a_failing_event(scene: Streams) -> None:
    scene.publish("one", "before", "fail", "after", partition_id="1")
    scene.wait_for("one", body="after")
    last = scene.wait_for("one", body="after")["sequence_number"]
    eventually(lambda: scene.checkpoint("one", "1") == last, "the checkpoint")
    assert len([line for line in scene.seen("one") if line["body"] == "fail"]) == 1


def test_failing_event_is_repeated_by_its_policy(scene: Streams) -> None:
    scene.publish("again", "twice", "always", "after")
    scene.wait_for("again", body="after")
    assert [(line["body"], line["attempt"]) for line in scene.seen("again")] == [
        *(("twice", f"{count} of 3") for count in range(3)),
        *(("always", f"{count} of 3") for count in range(4)),
        ("after", "0 of 3"),
    ]


def test_many_takes_batches_of_one_partition(scene: Streams) -> None:
    scene.publish("many", *(f"p2-{number}" for number in range(100)), partition_id="2")
    eventually(lambda: sum(len(line["bodies"]) for line in scene.seen("many")) >= 100, "a hundred events", 30)
    batches = [line for line in scene.seen("many") if line["partition"] == "2"]
    assert [body for line in batches for body in line["bodies"]] == [f"p2-{number}" for number in range(100)]
    assert max(len(line["bodies"]) for line in batches) > 5
    for line in batches:
        assert set(line["names"]) == _ARRAYS | _CONTEXTS
        assert len(line["bodies"]) == len(line["properties"]) == len(line["keys"]) <= 40
        assert line["numbers"] == list(range(line["numbers"][0], line["numbers"][0] + len(line["numbers"])))


def test_output_bindings_send_to_topics_and_hubs(scene: Streams) -> None:
    assert scene.host.call("POST", "/api/publish", content="from http").text == "published"
    scene.wait_for("one", body="from http")
    scene.wait_for("large", body="from http")
    scene.host.call("POST", "/api/publish-many", content=json.dumps(["first", "second"]))
    eventually(
        lambda: {"first", "second"} <= {body for line in scene.seen("many") for body in line["bodies"]}, "both events"
    )


def test_restarted_host_continues_at_its_checkpoint(scene: Streams) -> None:
    scene.publish("patient", "between two attempts")
    before = scene.wait_for("patient", body="between two attempts")["process"]
    scene.publish("one", "early", partition_id="0")
    number = scene.wait_for("one", body="early")["sequence_number"]
    eventually(lambda: scene.checkpoint("one", "0") == number, "the checkpoint")
    scene.host.stop()
    assert scene.host.process.returncode == 0
    scene.publish("one", "while away", partition_id="0")
    scene.host = RunningHost.start(
        scene.host.folder, "streams", "--database", scene.dsn, environment=scene.environment()
    ).wait_ready()
    scene.wait_for("one", body="while away")
    eventually(lambda: [1 for line in scene.seen("patient") if line["process"] != before], "the unfinished policy")
    assert len([line for line in scene.seen("one") if line["body"] == "early"]) == 1


def test_two_hosts_share_the_partitions_of_a_hub(scene: Streams) -> None:
    other = RunningHost.start(
        scene.file.parent / "other", "streams", "--database", scene.dsn, environment=scene.environment()
    ).wait_ready()
    try:
        published = iter(range(100_000))

        def both_work() -> bool:
            for partition in range(4):
                scene.publish("many", f"shared-{next(published)}", partition_id=str(partition))
            lines = [line for line in scene.seen("many") if line["bodies"][0].startswith("shared-")]
            return len({line["process"] for line in lines[-12:]}) == 2

        eventually(both_work, "work in both hosts", 40)
    finally:
        other.stop()
    scene.publish("many", "alone", partition_id="3")
    eventually(lambda: [1 for line in scene.seen("many") if "alone" in line["bodies"]], "the hand-over", 40)


@pytest.mark.parametrize(
    "section",
    [
        {"maxEventBatchSize": 0},
        {"prefetchCount": "many"},
        {"initialOffsetOptions": {"type": "fromMiddle"}},
        {"initialOffsetOptions": {"type": "fromEnqueuedTime", "enqueuedTimeUtc": "soon"}},
    ],
)
def test_wrong_event_hub_settings_are_refused_by_name(section: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"extensions\.eventHubs"):
        EventHubOptions.of(section)


@pytest.mark.parametrize(
    ("options", "position"),
    [
        ({}, "-1"),
        ({"type": "fromEnd"}, "@latest"),
        ({"type": "fromEnqueuedTime", "enqueuedTimeUtc": "2026-01-31T00:00:00Z"}, "2026-01-31 00:00:00+00:00"),
    ],
)
def test_initial_position_follows_the_settings(options: dict[str, str], position: str) -> None:
    assert str(EventHubOptions.of({"initialOffsetOptions": options}).initial_position) == position
