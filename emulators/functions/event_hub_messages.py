"""Events as the .NET host hands them to workers: body and trigger metadata.

Names and shapes are those of Microsoft.Azure.WebJobs.Extensions.EventHubs, which `azure.functions.eventhub` reads:
single values for one event, `...Array` for many; `SystemProperties` tells one from the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from azure.eventhub import EventData

from emulators.functions.bodies import batch_body, single_body, text_batch
from emulators.functions.worker import TypedData

_BROKER_PROPERTIES = frozenset({"x-opt-sequence-number", "x-opt-offset", "x-opt-enqueued-time", "x-opt-partition-key"})


@dataclass(frozen=True)
class Partition:
    """Where events come from."""

    namespace: str
    hub: str
    consumer_group: str
    partition_id: str

    def as_json(self) -> TypedData:
        """The `PartitionContext` of the trigger metadata."""
        document = {
            "FullyQualifiedNamespace": self.namespace,
            "EventHubName": self.hub,
            "ConsumerGroup": self.consumer_group,
            "PartitionId": self.partition_id,
        }
        return _json(document)


def body_of(event: EventData) -> bytes:
    """The whole body; AMQP value and sequence bodies as JSON."""
    body: Any = event.body
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    parts = body if isinstance(body, int | float | bool | dict | type(None)) else list(body)
    if isinstance(parts, list) and all(isinstance(part, bytes) for part in parts):
        return b"".join(parts)
    return orjson.dumps(parts, default=_text, option=orjson.OPT_NON_STR_KEYS)


def single_input(event: EventData, *, binary: bool) -> TypedData:
    """Trigger input of cardinality one."""
    return single_body(body_of(event), binary=binary)


def batch_input(events: Sequence[EventData], *, binary: bool) -> TypedData:
    """Trigger input of cardinality many."""
    return batch_body([body_of(event) for event in events], binary=binary)


def single_metadata(event: EventData, partition: Partition) -> dict[str, TypedData]:
    """Trigger metadata of one event; absent properties are left out."""
    metadata = {
        "PartitionContext": partition.as_json(),
        "EnqueuedTimeUtc": TypedData(string=_time(event)),
        "SequenceNumber": _json(event.sequence_number),
        "Offset": TypedData(string=str(event.offset)),
        "Properties": _json(_properties(event)),
        "SystemProperties": _json(_system_properties(event)),
    }
    if event.partition_key is not None:
        metadata["PartitionKey"] = TypedData(string=_text(event.partition_key))
    return metadata


def batch_metadata(events: Sequence[EventData], partition: Partition) -> dict[str, TypedData]:
    """Trigger metadata of several events: one JSON array a property."""
    arrays: Mapping[str, list[object]] = {
        "PartitionKeyArray": [_key(event) for event in events],
        "OffsetArray": [event.offset for event in events],
        "SequenceNumberArray": [event.sequence_number for event in events],
        "EnqueuedTimeUtcArray": [_time(event) for event in events],
        "PropertiesArray": [_properties(event) for event in events],
        "SystemPropertiesArray": [_system_properties(event) for event in events],
    }
    return {"PartitionContext": partition.as_json()} | {name: _json(values) for name, values in arrays.items()}


def manual_metadata(text: str, *, many: bool) -> tuple[TypedData, dict[str, TypedData]]:
    """Input and metadata of a run that no event caused."""
    if many:
        return text_batch([text]), {"SystemPropertiesArray": TypedData(json="[{}]")}
    return TypedData(string=text), {"SystemProperties": TypedData(json="{}")}


def trace_of(event: EventData) -> tuple[str | None, str]:
    """traceparent and tracestate that the sender's SDK put into the properties."""
    properties = _properties(event)
    parent = properties.get("traceparent") or properties.get("Diagnostic-Id")
    return (str(parent) if parent else None), str(properties.get("tracestate") or "")


def _properties(event: EventData) -> dict[str, object]:
    return {
        _text(name): _text(value) if isinstance(value, bytes) else value
        for name, value in (event.properties or {}).items()
    }


def _system_properties(event: EventData) -> dict[str, object]:
    """What the broker says of the event, and the annotations that senders added."""
    own = {
        _text(name): _text(value) if isinstance(value, bytes) else value
        for name, value in event.system_properties.items()
        if _text(name) not in _BROKER_PROPERTIES
    }
    return own | {
        "SequenceNumber": event.sequence_number,
        "Offset": event.offset,
        "PartitionKey": _key(event),
        "EnqueuedTimeUtc": _time(event),
    }


def _key(event: EventData) -> str | None:
    return None if event.partition_key is None else _text(event.partition_key)


def _time(event: EventData) -> str:
    assert event.enqueued_time is not None, "the broker stamps every event"
    return event.enqueued_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json(value: object) -> TypedData:
    return TypedData(json=orjson.dumps(value, default=_text, option=orjson.OPT_NON_STR_KEYS).decode())


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
