"""Service Bus functions that write each message they see into the file named by RUNS."""

import asyncio
import json
import os
import time
import typing
from collections import Counter
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_STUBBORN_DELIVERIES = 13
_deliveries: Counter[str] = Counter()


def _note(**line: object) -> None:
    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write(json.dumps(line, default=str) + "\n")


@app.service_bus_queue_trigger(arg_name="message", queue_name="%ONE%", connection="BUS")
async def one(message: func.ServiceBusMessage, context: func.Context) -> None:
    body = message.get_body().decode()
    _note(
        function="one",
        body=body,
        message_id=message.message_id,
        delivery_count=message.delivery_count,
        properties=message.application_properties,
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        subject=message.subject,
        sequence_number=message.sequence_number,
        enqueued=message.enqueued_time_utc,
        trace=context.trace_context.trace_parent,
    )
    if body.startswith("fail"):
        raise ValueError(body)
    if body.startswith("slow"):
        await asyncio.sleep(1.0)
        _note(function="one", body=f"end of {body}")


@app.service_bus_queue_trigger(arg_name="messages", queue_name="many", connection="BUS", cardinality="many")
async def many(messages: typing.List[func.ServiceBusMessage]) -> None:
    _note(
        function="many",
        bodies=[message.get_body().decode() for message in messages],
        ids=[message.message_id for message in messages],
        counts=[message.delivery_count for message in messages],
    )


@app.service_bus_queue_trigger(arg_name="message", queue_name="lanes", connection="BUS", is_sessions_enabled=True)
async def lanes(message: func.ServiceBusMessage) -> None:
    await asyncio.sleep(0.005)
    body = message.get_body().decode()
    _note(function="lanes", session=message.session_id, body=body, process=os.getpid(), at=time.time())
    _deliveries[body] += 1
    if body == "stubborn" and _deliveries[body] < _STUBBORN_DELIVERIES:
        raise ValueError(body)


@app.service_bus_queue_trigger(
    arg_name="messages", queue_name="lane-batches", connection="BUS", is_sessions_enabled=True, cardinality="many"
)
async def lane_batches(messages: typing.List[func.ServiceBusMessage]) -> None:
    sessions = [message.session_id for message in messages]
    _note(function="lane_batches", sessions=sessions, bodies=[message.get_body().decode() for message in messages])


@app.route(route="send", methods=["POST"])
@app.service_bus_queue_output(arg_name="out", queue_name="one", connection="BUS")
def send(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set(req.get_body().decode())
    return "sent"


@app.service_bus_queue_trigger(arg_name="text", queue_name="text", connection="BUS")
@app.service_bus_queue_output(arg_name="$return", queue_name="one", connection="BUS")
def forward(text: str) -> str:
    return text.upper()
