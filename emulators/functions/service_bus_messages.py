"""Service Bus messages as the .NET host hands them to workers: body and trigger metadata.

Names and shapes are those that `azure.functions.servicebus` reads: single values for one message,
`...Array` for many; strings as strings, everything else as JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from azure.servicebus import ServiceBusReceivedMessage

from emulators.functions.bodies import batch_body, single_body, text_batch
from emulators.functions.worker import TypedData

type Read = Callable[[ServiceBusReceivedMessage], object]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _properties(message: ServiceBusReceivedMessage) -> dict[str, object]:
    return {
        _text(name): _text(value) if isinstance(value, bytes) else value
        for name, value in (message.application_properties or {}).items()
    }


def _attempt(message: ServiceBusReceivedMessage) -> int:
    """Deliveries counting this one, as .NET's DeliveryCount does; AMQP's header counts the earlier ones."""
    return (message.delivery_count or 0) + 1


_FIELDS: Mapping[str, Read] = {
    "ApplicationProperties": _properties,
    "ContentType": lambda message: message.content_type,
    "CorrelationId": lambda message: message.correlation_id,
    "DeadLetterErrorDescription": lambda message: message.dead_letter_error_description,
    "DeadLetterReason": lambda message: message.dead_letter_reason,
    "DeadLetterSource": lambda message: message.dead_letter_source,
    "DeliveryCount": _attempt,
    "EnqueuedSequenceNumber": lambda message: message.enqueued_sequence_number,
    "EnqueuedTimeUtc": lambda message: message.enqueued_time_utc,
    "ExpiresAtUtc": lambda message: message.expires_at_utc,
    "Label": lambda message: message.subject,
    "LockedUntil": lambda message: message.locked_until_utc,
    "LockToken": lambda message: message.lock_token,
    "MessageId": lambda message: message.message_id,
    "PartitionKey": lambda message: message.partition_key,
    "ReplyTo": lambda message: message.reply_to,
    "ReplyToSessionId": lambda message: message.reply_to_session_id,
    "ScheduledEnqueueTimeUtc": lambda message: message.scheduled_enqueue_time_utc,
    "SequenceNumber": lambda message: message.sequence_number,
    "SessionId": lambda message: message.session_id,
    "Subject": lambda message: message.subject,
    "TimeToLive": lambda message: message.time_to_live,
    "To": lambda message: message.to,
    "UserProperties": _properties,
}


def body_of(message: ServiceBusReceivedMessage) -> bytes:
    """The whole body; AMQP value bodies as JSON or text."""
    body: Any = message.body
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, int | float | bool | dict | type(None)):
        return orjson.dumps(body, default=_plain)
    sections = list(body)
    return (
        b"".join(sections)
        if all(isinstance(part, bytes) for part in sections)
        else orjson.dumps(sections, default=_plain)
    )


def single_input(message: ServiceBusReceivedMessage, *, binary: bool) -> TypedData:
    """Trigger input of cardinality one."""
    return single_body(body_of(message), binary=binary)


def batch_input(messages: Sequence[ServiceBusReceivedMessage], *, binary: bool) -> TypedData:
    """Trigger input of cardinality many."""
    return batch_body([body_of(message) for message in messages], binary=binary)


def single_metadata(message: ServiceBusReceivedMessage) -> dict[str, TypedData]:
    """Trigger metadata of one message; absent properties are left out."""
    return {
        name: _typed(value)
        for name, value in ((name, read(message)) for name, read in _FIELDS.items())
        if value is not None
    }


def batch_metadata(messages: Sequence[ServiceBusReceivedMessage]) -> dict[str, TypedData]:
    """Trigger metadata of several messages: one JSON array a property."""
    return {
        f"{name}Array": TypedData(json=_json([_json_ready(read(message)) for message in messages]))
        for name, read in _FIELDS.items()
    }


def manual_metadata(text: str, *, many: bool) -> tuple[TypedData, dict[str, TypedData]]:
    """Input and metadata of a run that no message caused."""
    if many:
        names = {"UserPropertiesArray": TypedData(json="[{}]"), "MessageIdArray": TypedData(json='["manual"]')}
        return text_batch([text]), names
    return TypedData(string=text), {"UserProperties": TypedData(json="{}"), "MessageId": TypedData(string="manual")}


def trace_of(message: ServiceBusReceivedMessage) -> tuple[str | None, str]:
    """traceparent and tracestate that the sender's SDK put into the application properties."""
    properties = _properties(message)
    parent = properties.get("traceparent") or properties.get("Diagnostic-Id")
    return (str(parent) if parent else None), str(properties.get("tracestate") or "")


def _typed(value: object) -> TypedData:
    return TypedData(string=value) if isinstance(value, str) else TypedData(json=_json(_json_ready(value)))


def _json_ready(value: object) -> object:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, timedelta):
        return _time_span(value)
    return str(value) if isinstance(value, UUID) else value


def _time_span(span: timedelta) -> str:
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours + span.days * 24:02d}:{minutes:02d}:{seconds:02d}"


def _json(value: object) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: object) -> str:
    return _text(value)
