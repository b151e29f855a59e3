"""Service Bus functions that write the metadata and the body of each message into the file named by RUNS."""

import json
import os
import time
import typing
from pathlib import Path

import azure.functions as func

app = func.FunctionApp()


def _note(**line: object) -> None:
    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write(json.dumps(line, default=str) + "\n")


@app.service_bus_queue_trigger(arg_name="message", queue_name="one", connection="BUS")
def one(message: func.ServiceBusMessage) -> None:
    _note(
        function="one",
        body=message.get_body().decode(),
        metadata=message.metadata,
        expires=message.expires_at_utc,
        aware=message.enqueued_time_utc.tzinfo is not None,
    )


@app.service_bus_queue_trigger(arg_name="messages", queue_name="many", connection="BUS", cardinality="many")
def many(messages: typing.List[func.ServiceBusMessage]) -> None:
    for message in messages:
        _note(
            function="many",
            body=message.get_body().decode(),
            message_id=message.message_id,
            session_id=message.session_id,
            expires=message.expires_at_utc,
            names=sorted(message.metadata),
        )


@app.service_bus_queue_trigger(arg_name="message", queue_name="parked/$deadletterqueue", connection="BUS")
def dead(message: func.ServiceBusMessage) -> None:
    body = message.get_body().decode()
    _note(function="dead", body=body, at=time.monotonic())
    if body == "poison":
        raise ValueError(body)
