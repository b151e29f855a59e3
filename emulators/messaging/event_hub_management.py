"""The node at `$management`: what a hub and its partitions look like.

Reference: azure-eventhub's `_get_eventhub_properties` and `_get_partition_properties`, and
https://learn.microsoft.com/azure/event-hubs/event-hubs-management-libraries.
"""

from collections.abc import Mapping
from typing import Protocol

import structlog

from emulators.messaging.cbs import check_claim
from emulators.messaging.codec import Array, Int, Long, Timestamp
from emulators.messaging.errors import AmqpError, Condition
from emulators.messaging.event_hubs import EventHub
from emulators.messaging.nodes import Peer, Settle, SinkLink, Source, SourceLink
from emulators.messaging.performatives import ACCEPTED
from emulators.messaging.requests import ReplySource, Request, read_request, write_answer

_log = structlog.get_logger(__name__)
ADDRESS = "$management"
_HUB, _PARTITION = "com.microsoft:eventhub", "com.microsoft:partition"
_STATUS = {Condition.NOT_FOUND: 404, Condition.UNAUTHORIZED: 401, Condition.NOT_IMPLEMENTED: 501}

type Body = dict[object, object]


class FindHub(Protocol):
    """Finds hubs by name."""

    def __call__(self, name: str) -> EventHub:
        """Raises AmqpError (not-found)."""


class HubManagementNode:
    """The namespace's node; each request names its hub, and is authorized for it."""

    def __init__(self, find: FindHub) -> None:
        self._find = find

    async def attach_sink(self, link: SinkLink) -> "HubManagementSink":
        return HubManagementSink(self._find, link.peer)

    async def attach_source(self, link: SourceLink) -> tuple[Source, dict[object, object], dict[object, object]]:
        return ReplySource(link), {}, {}


class HubManagementSink:
    """Takes READ requests."""

    def __init__(self, find: FindHub, peer: Peer) -> None:
        self._find = find
        self._peer = peer

    def on_message(self, payload: bytes, message_format: int, settle: Settle) -> None:  # noqa: ARG002
        request = read_request(payload)
        settle(ACCEPTED)
        reply = self._peer.reply_source(ADDRESS)
        if isinstance(reply, ReplySource):
            reply.reply(write_answer(request, *self._answer(request)))

    def _answer(self, request: Request) -> tuple[Mapping[str, object], object]:
        try:
            return {"status-code": Int(200), "status-description": "OK"}, self._read(request)
        except AmqpError as error:
            status = Int(_STATUS.get(error.condition, 400))
            return {"status-code": status, "status-description": error.description}, {}
        except Exception:  # noqa: BLE001 - a client must never wait in vain for the answer
            _log.exception("A management operation failed", operation=request.text("operation"))
            return {"status-code": Int(500), "status-description": "The server failed on this request."}, {}

    def _read(self, request: Request) -> Body:
        name, kind = request.text("name"), request.text("type")
        check_claim(self._peer, name)
        hub = self._find(name)
        if request.text("operation") != "READ" or kind not in (_HUB, _PARTITION):
            raise AmqpError(Condition.NOT_IMPLEMENTED, "Only READ of an event hub or a partition is supported.")
        return _hub(hub) if kind == _HUB else _partition(hub, request.text("partition"))

    def on_detach(self) -> None:
        """Nothing is kept per requester."""


def _hub(hub: EventHub) -> Body:
    return {
        "name": hub.config.name,
        "type": _HUB,
        "created_at": Timestamp(hub.partitions[0].created_ms),
        "partition_count": Int(len(hub.partitions)),
        "partition_ids": Array([str(partition.number) for partition in hub.partitions]),
    }


def _partition(hub: EventHub, number: str) -> Body:
    partition = hub.partition(number)
    return {
        "name": hub.config.name,
        "type": _PARTITION,
        "partition": number,
        "begin_sequence_number": Long(partition.begin),
        "last_enqueued_sequence_number": Long(partition.visible - 1),
        "last_enqueued_offset": str(partition.last_offset),
        "last_enqueued_time_utc": Timestamp(partition.last_enqueued_ms),
        "is_partition_empty": partition.visible == partition.begin,
    }
