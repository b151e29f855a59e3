"""Functions on a topic's subscription and on event hubs that write what they see into the file named by RUNS."""

import json
import os
import typing
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def _note(**line: object) -> None:
    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write(json.dumps(line, default=str) + "\n")


@app.service_bus_topic_trigger(arg_name="message", topic_name="%TOPIC%", subscription_name="large", connection="BUS")
async def large(message: func.ServiceBusMessage) -> None:
    _note(
        function="large",
        body=message.get_body().decode(),
        number=message.sequence_number,
        count=message.delivery_count,
    )
    if message.get_body() == b"fail":
        raise ValueError("fail")


@app.event_hub_message_trigger(arg_name="event", event_hub_name="one", connection="HUBS")
async def one(event: func.EventHubEvent) -> None:
    assert event.metadata is not None
    _note(
        function="one",
        body=event.get_body().decode(),
        sequence_number=event.sequence_number,
        offset=event.offset,
        partition_key=event.partition_key,
        enqueued=event.enqueued_time,
        metadata=event.metadata,
    )
    if event.get_body() == b"fail":
        raise ValueError("fail")


@app.event_hub_message_trigger(
    arg_name="events", event_hub_name="many", connection="HUBS", cardinality="many", consumer_group="workers"
)
async def many(events: typing.List[func.EventHubEvent]) -> None:
    metadata = events[0].metadata
    assert metadata is not None
    _note(
        function="many",
        bodies=[event.get_body().decode() for event in events],
        numbers=[event.sequence_number for event in events],
        partition=metadata["PartitionContext"]["PartitionId"],
        properties=metadata["PropertiesArray"],
        keys=metadata["PartitionKeyArray"],
        names=sorted(metadata),
        process=os.getpid(),
    )


@app.event_hub_message_trigger(arg_name="event", event_hub_name="again", connection="HUBS")
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:00")
async def again(event: func.EventHubEvent, context: func.Context) -> None:
    retry = context.retry_context
    _note(function="again", body=event.get_body().decode(), attempt=f"{retry.retry_count} of {retry.max_retry_count}")
    if event.get_body() == b"always" or (event.get_body() == b"twice" and retry.retry_count < 2):
        raise ValueError("again")


@app.event_hub_message_trigger(arg_name="event", event_hub_name="patient", connection="HUBS")
@app.retry(strategy="fixed_delay", max_retry_count="-1", delay_interval="00:10:00")
async def patient(event: func.EventHubEvent) -> None:
    _note(function="patient", body=event.get_body().decode(), process=os.getpid())
    raise ValueError("not today")


@app.route(route="publish", methods=["POST"])
@app.event_hub_output(arg_name="out", event_hub_name="one", connection="HUBS")
@app.service_bus_topic_output(arg_name="topic", topic_name="orders", connection="BUS")
def publish(req: func.HttpRequest, out: func.Out[str], topic: func.Out[str]) -> str:
    out.set(req.get_body().decode())
    topic.set(req.get_body().decode())
    return "published"


@app.route(route="publish-many", methods=["POST"])
@app.event_hub_output(arg_name="out", event_hub_name="many", connection="HUBS")
def publish_many(req: func.HttpRequest, out: func.Out[typing.List[str]]) -> str:
    out.set(json.loads(req.get_body()))
    return "published"
