"""Service Bus messages as the .NET host hands them to workers: body and trigger metadata.

Names and types are those of `ServiceBusTriggerBindingStrategy` of Microsoft.Azure.WebJobs.Extensions.ServiceBus 5
(Azure/azure-sdk-for-net): single values for one message, `...Array` for many. Text is passed as a string, everything
else as JSON, and what a message lacks is left out. In arrays it is null: Azure leaves missing texts out of arrays too,
so that those of the other messages move up.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from azure.servicebus import ServiceBusReceivedMessage

from emulators.functions.amqp_values import body_of, text, texts, to_json
from emulators.functions.bodies import batch_body, single_body, text_batch
from emulators.functions.dotnet_json import LAST_DATE_TIME, LAST_DATE_TIME_OFFSET, date_time, date_time_offset
from emulators.functions.worker import TypedData

type Read = Callable[[ServiceBusReceivedMessage], object]

_VIA_PARTITION_KEY = b"x-opt-via-partition-key"


def _properties(message: ServiceBusReceivedMessage) -> dict[str, object]:
    return texts(message.application_properties)


def _attempt(message: ServiceBusReceivedMessage) -> int:
    """Deliveries counting this one, as .NET's DeliveryCount does; AMQP's header counts the earlier ones."""
    return (message.delivery_count or 0) + 1


def _expiry(message: ServiceBusReceivedMessage) -> datetime | None:
    try:
        return message.expires_at_utc
    except OverflowError:  # a time to live beyond the last year is none
        return None


def _expires_at_utc(message: ServiceBusReceivedMessage) -> str:
    expiry = _expiry(message)
    return LAST_DATE_TIME if expiry is None else date_time(expiry)


def _expires_at(message: ServiceBusReceivedMessage) -> str:
    expiry = _expiry(message)
    return LAST_DATE_TIME_OFFSET if expiry is None else date_time_offset(expiry)


def _enqueued(write: Callable[[datetime], str]) -> Read:
    def read(message: ServiceBusReceivedMessage) -> str | None:
        return None if message.enqueued_time_utc is None else write(message.enqueued_time_utc)

    return read


def _transaction_partition_key(message: ServiceBusReceivedMessage) -> object:
    annotations = message.raw_amqp_message.annotations or {}
    return annotations.get(_VIA_PARTITION_KEY)


_TEXTS: Mapping[str, Read] = {
    "ContentType": lambda message: message.content_type,
    "CorrelationId": lambda message: message.correlation_id,
    "DeadLetterSource": lambda message: message.dead_letter_source,
    "Label": lambda message: message.subject,
    "LockToken": lambda message: message.lock_token,
    "MessageId": lambda message: message.message_id,
    "PartitionKey": lambda message: message.partition_key,
    "ReplyTo": lambda message: message.reply_to,
    "ReplyToSessionId": lambda message: message.reply_to_session_id,
    "SessionId": lambda message: message.session_id,
    "Subject": lambda message: message.subject,
    "To": lambda message: message.to,
    "TransactionPartitionKey": _transaction_partition_key,
}
_VALUES: Mapping[str, Read] = {
    "ApplicationProperties": _properties,
    "DeliveryCount": _attempt,
    "EnqueuedTime": _enqueued(date_time_offset),
    "EnqueuedTimeUtc": _enqueued(date_time),
    "ExpiresAt": _expires_at,
    "ExpiresAtUtc": _expires_at_utc,
    "SequenceNumber": lambda message: message.sequence_number,
    "UserProperties": _properties,
}


def single_input(message: ServiceBusReceivedMessage, *, binary: bool) -> TypedData:
    """Trigger input of cardinality one."""
    return single_body(body_of(message), binary=binary)


def batch_input(messages: Sequence[ServiceBusReceivedMessage], *, binary: bool) -> TypedData:
    """Trigger input of cardinality many."""
    return batch_body([body_of(message) for message in messages], binary=binary)


def single_metadata(message: ServiceBusReceivedMessage) -> dict[str, TypedData]:
    """Trigger metadata of one message."""
    found = {name: _text(read(message)) for name, read in _TEXTS.items()}
    values = {name: read(message) for name, read in _VALUES.items()}
    return {name: TypedData(string=value) for name, value in found.items() if value is not None} | {
        name: TypedData(json=to_json(value)) for name, value in values.items() if value is not None
    }


def batch_metadata(messages: Sequence[ServiceBusReceivedMessage]) -> dict[str, TypedData]:
    """Trigger metadata of several messages: one JSON array a property."""
    arrays = {name: [_text(read(message)) for message in messages] for name, read in _TEXTS.items()}
    values = {name: [read(message) for message in messages] for name, read in _VALUES.items()}
    return {f"{name}Array": TypedData(json=to_json(items)) for name, items in (arrays | values).items()}


def manual_metadata(body: str, *, many: bool) -> tuple[TypedData, dict[str, TypedData]]:
    """Input and metadata of a run that no message caused."""
    if many:
        names = {"UserPropertiesArray": TypedData(json="[{}]"), "MessageIdArray": TypedData(json='["manual"]')}
        return text_batch([body]), names
    return TypedData(string=body), {"UserProperties": TypedData(json="{}"), "MessageId": TypedData(string="manual")}


def trace_of(message: ServiceBusReceivedMessage) -> tuple[str | None, str]:
    """traceparent and tracestate that the sender's SDK put into the application properties."""
    properties = _properties(message)
    parent = properties.get("traceparent") or properties.get("Diagnostic-Id")
    return (str(parent) if parent else None), str(properties.get("tracestate") or "")


def _text(value: object) -> str | None:
    """Ids may be UUIDs or numbers on the wire; .NET gives them as text."""
    if value is None:
        return None
    return text(value) if isinstance(value, str | bytes | UUID | int) else to_json(value)
