"""Queue and blob functions that write each call they see into the file named by RUNS."""

import asyncio
import json
import os
import typing
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_STORAGE = "AzureWebJobsStorage"


def _note(**line: object) -> None:
    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write(json.dumps({"process": os.getpid(), **line}, default=str) + "\n")


@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection=_STORAGE)
async def one(message: func.QueueMessage) -> None:
    body = message.get_body().decode("latin-1")
    _note(
        function="one",
        body=body,
        id=message.id,
        dequeue_count=message.dequeue_count,
        inserted=message.insertion_time,
        expires=message.expiration_time,
        next_visible=message.time_next_visible,
        pop_receipt=message.pop_receipt,
    )
    if body.startswith("fail"):
        raise ValueError(body)
    if body.startswith("hang") and message.dequeue_count == 1:
        await asyncio.sleep(600)
    if body.startswith("slow"):
        await asyncio.sleep(1.0)
        _note(function="one", body=f"end of {body}")


@app.queue_trigger(arg_name="message", queue_name="orders", connection=_STORAGE)
@app.blob_input(arg_name="template", path="templates/{customer.kind}.txt", connection=_STORAGE)
@app.blob_output(arg_name="letter", path="letters/{id}-{customer.kind}.txt", connection=_STORAGE)
@app.queue_output(arg_name="done", queue_name="done-{customer.kind}", connection=_STORAGE)
def order(message: func.QueueMessage, template: func.InputStream, letter: func.Out[str], done: func.Out[str]) -> None:
    text = "" if template is None else template.read().decode()
    letter.set(f"{text} {message.get_json()['id']}".strip())
    done.set(message.id)


@app.blob_trigger(arg_name="blob", path="uploads/{name}.{extension}", connection=_STORAGE)
@app.blob_output(arg_name="copy", path="copies/{extension}/{name}", connection=_STORAGE)
def upload(blob: func.InputStream, copy: func.Out[bytes]) -> None:
    content = blob.read()
    _note(
        function="upload",
        name=blob.name,
        uri=blob.uri,
        length=blob.length,
        metadata=blob.metadata,
        properties=blob.blob_properties,
    )
    if content == b"fail":
        raise ValueError(blob.name)
    copy.set(content)


@app.route(route="files/{folder}/{name}")
@app.blob_input(arg_name="file", path="files/{folder}/{name}", connection=_STORAGE)
def read_file(req: func.HttpRequest, file: func.InputStream) -> func.HttpResponse:
    return func.HttpResponse(status_code=404) if file is None else func.HttpResponse(file.read())


@app.route(route="types/{name}")
@app.blob_input(arg_name="text", path="files/{name}", data_type="STRING", connection=_STORAGE)
@app.blob_input(arg_name="data", path="files/{name}", data_type="BINARY", connection=_STORAGE)
def read_types(req: func.HttpRequest, text: str, data: bytes) -> str:
    return f"{text!r} {data!r}"


@app.route(route="send/{queue}")
@app.queue_output(arg_name="messages", queue_name="{queue}", connection=_STORAGE)
def send(req: func.HttpRequest, messages: func.Out[typing.List[str]]) -> str:
    messages.set(req.get_json())
    return "sent"


@app.function_name("return")
@app.route(route="return", binding_arg_name="response")
@app.queue_output(arg_name="$return", queue_name="%QUEUE%", connection=_STORAGE)
def return_message(req: func.HttpRequest, response: func.Out[str]) -> func.QueueMessage:
    if req.get_body() != b"silent":
        response.set("returned")
    return func.QueueMessage(body=req.get_body())


@app.timer_trigger(arg_name="timer", schedule="%YEARLY%")
def yearly(timer: func.TimerRequest) -> None:
    _note(function="yearly", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def each_second(timer: func.TimerRequest) -> None:
    _note(function="each_second")
