"""Queue messages as the .NET host hands them to workers: encoding, body and trigger metadata."""

import base64
import binascii
import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from azure.storage.queue import QueueMessage

from emulators.functions.bodies import single_body
from emulators.functions.dotnet_json import LAST_DATE_TIME_OFFSET, date_time_offset
from emulators.functions.worker import TypedData

_MANUAL_ID = "manual"


class UndecodableError(Exception):
    """The message is not in the encoding that host.json's `messageEncoding` names."""


def decoded(content: str, *, base64_encoded: bool) -> bytes:
    """The body of a message. Raises UndecodableError."""
    if not base64_encoded:
        return content.encode()
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableError(f"the message is not base64 ({error}); see extensions.queues.messageEncoding") from error


def encoded(body: str | bytes, *, base64_encoded: bool) -> str:
    """What is sent for a body. Raises UndecodableError for bytes that plain messages cannot carry."""
    if base64_encoded:
        return base64.b64encode(body.encode() if isinstance(body, str) else body).decode()
    try:
        return body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError as error:
        raise UndecodableError("a message of bytes that are no UTF-8 needs messageEncoding base64") from error


def bodies(value: TypedData) -> list[str | bytes]:
    """The messages of an output: a JSON array is one message an element, as the real binding's collector takes it."""
    if value.WhichOneof("data") != "json":
        content: str | bytes = value.value
        return [content]
    document = json.loads(value.value)
    items = document if isinstance(document, list) else [document]
    return [_item(item) for item in items]


def _item(item: object) -> str:
    """Text as it is; a `func.QueueMessage` by its body; anything else as JSON."""
    if isinstance(item, str):
        return item
    if isinstance(item, dict) and item.keys() == {"id", "body"}:
        return str(item["body"])
    return json.dumps(item)


def trigger_input(body: bytes, *, binary: bool) -> TypedData:
    return single_body(body, binary=binary)


def metadata(message: QueueMessage, body: bytes) -> dict[str, TypedData]:
    """Trigger metadata of `QueueTriggerBinding` of Microsoft.Azure.WebJobs.Extensions.Storage.Queues 5."""
    known: Mapping[str, object] = {
        "DequeueCount": message.dequeue_count,
        "ExpirationTime": _time(message.expires_on),
        "InsertionTime": _time(message.inserted_on or datetime.now(UTC)),
        "NextVisibleTime": _time(message.next_visible_on),
    }
    texts = {"Id": message.id, "PopReceipt": message.pop_receipt or ""}
    with contextlib.suppress(UnicodeDecodeError):  # left out, as by the extension, when the message is no text
        texts["QueueTrigger"] = body.decode()
    return {name: TypedData(json=orjson.dumps(value).decode()) for name, value in known.items()} | {
        name: TypedData(string=value) for name, value in texts.items()
    }


def manual_metadata(text: str) -> tuple[TypedData, dict[str, TypedData]]:
    """Input and metadata of a run that no message caused."""
    now = datetime.now(UTC)
    message = QueueMessage(content=text)
    message.id, message.dequeue_count, message.pop_receipt = _MANUAL_ID, 1, _MANUAL_ID
    message.inserted_on, message.expires_on, message.next_visible_on = now, None, now
    return TypedData(string=text), metadata(message, text.encode())


def _time(moment: datetime | None) -> str:
    """A message without end has .NET's last moment, which the service writes too."""
    return LAST_DATE_TIME_OFFSET if moment is None else date_time_offset(moment)
