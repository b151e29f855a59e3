"""Events as the .NET host hands them to workers: body and trigger metadata.

Names and types are those of `EventHubTriggerBindingStrategy` of Microsoft.Azure.WebJobs.Extensions.EventHubs 6
(Azure/azure-sdk-for-net): single values for one event, `...Array` for many. Text is passed as a string, everything else
as JSON, and what an event lacks is left out; in arrays it is null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from azure.eventhub import EventData

from emulators.functions.amqp_values import body_of, text, texts, to_json
from emulators.functions.bodies import batch_body, single_body, text_batch
from emulators.functions.dotnet_json import date_time, date_time_offset
from emulators.functions.worker import TypedData

_ENQUEUED_TIME = "x-opt-enqueued-time"


@dataclass(frozen=True)
class Partition:
    """Where events come from."""

    namespace: str
    hub: str
    consumer_group: str
    partition_id: str

    def as_json(self, *, checkpoint: bool) -> TypedData:
        """The partition context of the trigger metadata; `checkpoint` says that one is written after the run."""
        document = {
            "FullyQualifiedNamespace": self.namespace,
            "EventHubName": self.hub,
            "ConsumerGroup": self.consumer_group,
            "PartitionId": self.partition_id,
            "IsCheckpointingAfterInvocation": checkpoint,
        }
        return TypedData(json=to_json(document))


def single_input(event: EventData, *, binary: bool) -> TypedData:
    """Trigger input of cardinality one."""
    return single_body(body_of(event), binary=binary)


def batch_input(events: Sequence[EventData], *, binary: bool) -> TypedData:
    """Trigger input of cardinality many."""
    return batch_body([body_of(event) for event in events], binary=binary)


def single_metadata(event: EventData, partition: Partition, *, checkpoint: bool) -> dict[str, TypedData]:
    """Trigger metadata of one event."""
    metadata = {
        "EnqueuedTimeUtc": TypedData(json=to_json(_time(event))),
        "Offset": TypedData(string=str(event.offset)),
        "OffsetString": TypedData(string=str(event.offset)),
        "Properties": TypedData(json=to_json(texts(event.properties))),
        "SequenceNumber": TypedData(json=to_json(event.sequence_number)),
        "SystemProperties": TypedData(json=to_json(_system_properties(event))),
    }
    key = _key(event)
    if key is not None:
        metadata["PartitionKey"] = TypedData(string=key)
    return metadata | _contexts(partition, checkpoint=checkpoint)


def batch_metadata(events: Sequence[EventData], partition: Partition, *, checkpoint: bool) -> dict[str, TypedData]:
    """Trigger metadata of several events: one JSON array a property."""
    arrays: Mapping[str, list[object]] = {
        "EnqueuedTimeUtcArray": [_time(event) for event in events],
        "OffsetArray": [str(event.offset) for event in events],
        "OffsetStringArray": [str(event.offset) for event in events],
        "PartitionKeyArray": [_key(event) for event in events],
        "PropertiesArray": [texts(event.properties) for event in events],
        "SequenceNumberArray": [event.sequence_number for event in events],
        "SystemPropertiesArray": [_system_properties(event) for event in events],
    }
    written = {name: TypedData(json=to_json(values)) for name, values in arrays.items()}
    return written | _contexts(partition, checkpoint=checkpoint)


def _contexts(partition: Partition, *, checkpoint: bool) -> dict[str, TypedData]:
    context = partition.as_json(checkpoint=checkpoint)
    return {"PartitionContext": context, "TriggerPartitionContext": context}


def manual_metadata(body: str, *, many: bool) -> tuple[TypedData, dict[str, TypedData]]:
    """Input and metadata of a run that no event caused."""
    if many:
        return text_batch([body]), {"SystemPropertiesArray": TypedData(json="[{}]")}
    return TypedData(string=body), {"SystemProperties": TypedData(json="{}")}


def trace_of(event: EventData) -> tuple[str | None, str]:
    """traceparent and tracestate that the sender's SDK put into the properties."""
    properties = texts(event.properties)
    parent = properties.get("traceparent") or properties.get("Diagnostic-Id")
    return (str(parent) if parent else None), str(properties.get("tracestate") or "")


def _system_properties(event: EventData) -> dict[str, object]:
    """What the broker and the senders wrote beside the event, and the extension's own names for it."""
    offset = str(event.offset)
    return texts(event.system_properties) | {
        "EnqueuedTimeUtc": _time(event),
        "Offset": int(offset) if offset.isdecimal() else -1,
        "OffsetString": offset,
        "PartitionKey": _key(event),
        "SequenceNumber": event.sequence_number,
        _ENQUEUED_TIME: None if event.enqueued_time is None else date_time_offset(event.enqueued_time),
    }


def _key(event: EventData) -> str | None:
    return None if event.partition_key is None else text(event.partition_key)


def _time(event: EventData) -> str:
    assert event.enqueued_time is not None, "the broker stamps every event"
    return date_time(event.enqueued_time)
