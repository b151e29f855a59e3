"""Links of one channel: credit, deliveries and their settlement (OASIS AMQP 1.0 part 2.6).

`IncomingLink` is a client's sender, `OutgoingLink` a client's receiver. Both answer on the handle number that the
client chose, so one number names the link in both directions.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from emulators.messaging.codec import Described
from emulators.messaging.errors import AmqpError, Condition
from emulators.messaging.limits import Limits
from emulators.messaging.nodes import Peer, Sink, Source
from emulators.messaging.performatives import (
    RECEIVER,
    SENDER,
    Attach,
    Disposition,
    Flow,
    Outcome,
    Performative,
    Terminus,
    Transfer,
    read_terminus,
    rejected,
    write_source,
    write_target,
)

_log = structlog.get_logger(__name__)
_WINDOW = 1000
_TRANSFER_OVERHEAD = 128


type Link = IncomingLink | OutgoingLink


class LinkOwner(Peer, Protocol):
    """The channel, as its links see it."""

    @property
    def limits(self) -> Limits: ...

    @property
    def congested(self) -> bool:
        """Whether nothing more can be sent for now."""

    @property
    def remote_max_frame_size(self) -> int:
        """Bytes of the largest frame that the client accepts."""

    @property
    def sender_properties(self) -> dict[object, object]:
        """Properties of the answer to a client's sending link."""

    def hold(self, size: int) -> None:
        """Count bytes of a whole message until `release`."""

    def release(self, size: int) -> None: ...

    def gather(self, size: int) -> None:
        """Count bytes of a delivery that is still arriving; negative when it has arrived."""

    def write(self, performative: Performative) -> None: ...

    def write_flow(
        self, handle: int | None, delivery_count: int | None, credit: int | None, *, drain: bool = False
    ) -> None:
        """Send the windows and, for a link, its credit."""

    def write_transfer(self, frame: Transfer, payload: bytes) -> None:
        """Send when the client's window allows."""

    def next_delivery_id(self, unsettled: "tuple[OutgoingLink, bytes] | None") -> int:
        """Number a delivery, remembering it until it is settled."""

    def settle_incoming(self, delivery_id: int, outcome: Described) -> None:
        """Settle a client's delivery."""

    def detach(self, link: Link, error: AmqpError) -> None:
        """End a link with an error."""


@dataclass(slots=True)
class _Partial:
    """A delivery whose frames are still arriving; `oversize` once it passed the limit and is only counted."""

    id: int
    format: int
    settled: bool
    payload: bytearray = field(default_factory=bytearray)
    size: int = 0
    oversize: bool = False
    answered: bool = False


class IncomingLink:
    """A client sends here."""

    def __init__(self, channel: LinkOwner, attach: Attach, address: str) -> None:
        self.peer = channel
        self.attach = attach
        self.address = address
        self.sink: Sink | None = None
        self._limit = channel.limits.max_message_bytes
        self._partial: _Partial | None = None
        self._credit = 0
        self._unsettled = 0
        self._delivery_count = attach.initial_delivery_count or 0

    @property
    def handle(self) -> int:
        return self.attach.handle

    def limit_messages(self, size: int) -> None:
        self._limit = size

    def open(self, sink: Sink) -> None:
        """Answer the attach and grant credit."""
        self.sink = sink
        self.peer.write(
            Attach(
                self.attach.name,
                self.handle,
                RECEIVER,
                snd_settle_mode=self.attach.snd_settle_mode,
                rcv_settle_mode=self.attach.rcv_settle_mode,
                source=self._source(),
                target=write_target(_address(self.attach.target)),
                max_message_size=self._limit,
                properties=self.peer.sender_properties,
            )
        )
        self._grant()

    def refusal(self) -> Attach:
        """An attach answer without a target: the link is refused."""
        return Attach(self.attach.name, self.handle, RECEIVER, source=self._source())

    def _source(self) -> Described:
        return write_source(_address(self.attach.source), None)

    def detached(self) -> None:
        if self._partial is not None:
            self._end_partial(self._partial)
        if self.sink is not None:
            self.sink.on_detach()
            self.sink = None

    def on_flow(self, _flow: Flow) -> None:
        """The client has nothing to say about credit here; answer with ours."""
        if self.sink is not None:
            self._send_flow()

    def on_transfer(self, frame: Transfer, payload: bytes) -> None:
        """One frame of a delivery. Raises AmqpError when the link must be detached."""
        if self._partial is None:
            self._partial = self._begin(frame)
        current = self._partial
        current.settled = current.settled or frame.settled is True
        if frame.aborted:
            self._end_partial(current)
            return
        self._append(current, payload)
        if not frame.more:
            self._end_partial(current)
            self._complete(current)

    def _end_partial(self, current: _Partial) -> None:
        self._partial = None
        self.peer.gather(-len(current.payload))

    def _begin(self, frame: Transfer) -> _Partial:
        if frame.delivery_id is None:
            raise AmqpError(Condition.INVALID_FIELD, "The first transfer of a delivery has no delivery-id.")
        if self._credit <= 0:
            raise AmqpError(Condition.TRANSFER_LIMIT, "The link has no credit.")
        return _Partial(frame.delivery_id, frame.message_format or 0, frame.settled is True)

    def _append(self, current: _Partial, payload: bytes) -> None:
        current.size += len(payload)
        if current.size > self._limit:
            current.oversize = True
            self.peer.gather(-len(current.payload))
            current.payload.clear()
        else:
            current.payload += payload
            self.peer.gather(len(payload))

    def _complete(self, current: _Partial) -> None:
        self._credit -= 1
        self._unsettled += 1
        self._delivery_count = (self._delivery_count + 1) & 0xFFFF_FFFF
        self.peer.hold(len(current.payload))
        settle = partial(self._settle, current)
        assert self.sink is not None
        try:
            self._check_size(current)
            self.sink.on_message(bytes(current.payload), current.format, settle)
        except AmqpError as error:
            settle(rejected(error))
        except Exception:  # noqa: BLE001 - a fault of ours concerns this delivery, not the connection's other links
            _log.exception("A delivery failed", address=self.address)
            settle(rejected(AmqpError(Condition.INTERNAL_ERROR, "The server failed on this message.")))

    def _check_size(self, current: _Partial) -> None:
        if current.oversize:
            raise AmqpError(
                Condition.MESSAGE_SIZE,
                f"The received message (delivery-id:{current.id}, size:{current.size} bytes) exceeds the limit "
                f"({self._limit} bytes) currently allowed on the link.",
            )

    def _settle(self, current: _Partial, outcome: Described) -> None:
        if current.answered:
            return
        current.answered = True
        self._unsettled -= 1
        self.peer.release(len(current.payload))
        if self.sink is None:
            return
        if not current.settled:
            self.peer.settle_incoming(current.id, outcome)
        self._grant()

    def _grant(self) -> None:
        """Keep the client's credit near the window, less what it has sent and we have not settled."""
        allowed = _WINDOW - self._unsettled
        if self._credit <= _WINDOW // 2 and allowed > self._credit:
            self._credit = allowed
            self._send_flow()

    def _send_flow(self) -> None:
        self.peer.write_flow(self.handle, self._delivery_count, self._credit)


class OutgoingLink:
    """A client receives here."""

    def __init__(self, channel: LinkOwner, attach: Attach, address: str, source: Terminus) -> None:
        self.peer = channel
        self.attach = attach
        self.address = address
        self.source = source
        self.node_source: Source | None = None
        self._attached = False
        self._credit = 0
        self._drain = False
        self._delivery_count = 0

    @property
    def handle(self) -> int:
        return self.attach.handle

    @property
    def credit(self) -> int:
        return self._credit if self._attached and not self.peer.congested else 0

    def open(self, source: Source, filters: dict[object, object], properties: dict[object, object]) -> None:
        """Answer the attach; credit that came early counts."""
        self.node_source = source
        self._attached = True
        self.peer.write(
            Attach(
                self.attach.name,
                self.handle,
                SENDER,
                snd_settle_mode=self.attach.snd_settle_mode,
                rcv_settle_mode=self.attach.rcv_settle_mode,
                source=write_source(self.source.address, filters or None),
                target=write_target(_address(self.attach.target)),
                initial_delivery_count=0,
                max_message_size=self.peer.limits.max_message_bytes,
                properties=properties or None,
            )
        )
        if self._credit:
            source.on_credit()

    def refusal(self) -> Attach:
        """An attach answer without a source: the link is refused."""
        target = write_target(_address(self.attach.target))
        return Attach(self.attach.name, self.handle, SENDER, target=target, initial_delivery_count=0)

    def detached(self) -> None:
        self._attached = False
        if self.node_source is not None:
            source, self.node_source = self.node_source, None
            source.on_detach()

    def on_flow(self, flow: Flow) -> None:
        """New credit, counted from the client's view of the delivery count (part 2.6.7)."""
        if flow.link_credit is None:
            return
        seen = flow.delivery_count or 0
        self._credit = max(0, (seen + flow.link_credit - self._delivery_count) & 0xFFFF_FFFF)
        if self._credit > 0x7FFF_FFFF:
            self._credit = 0
        self._drain = flow.drain
        if self.node_source is not None:
            self.node_source.on_credit()
        if flow.echo and not self._drain:
            self._send_flow()

    def on_writable(self) -> None:
        """The connection takes more again."""
        if self.node_source is not None and self._credit:
            self.node_source.on_credit()

    def finish_drain(self) -> None:
        if self._drain and self._attached:
            self._delivery_count = (self._delivery_count + self._credit) & 0xFFFF_FFFF
            self._credit = 0
            self._drain = False
            self._send_flow(drain=True)

    def _send_flow(self, *, drain: bool = False) -> None:
        self.peer.write_flow(self.handle, self._delivery_count, self._credit, drain=drain)

    def send(self, tag: bytes, payload: bytes, *, settled: bool) -> bool:
        if not self._attached or self._credit <= 0:
            return False
        self._credit -= 1
        self._delivery_count = (self._delivery_count + 1) & 0xFFFF_FFFF
        delivery_id = self.peer.next_delivery_id(None if settled else (self, tag))
        room = self.peer.remote_max_frame_size - _TRANSFER_OVERHEAD
        for start in range(0, len(payload), room):
            more = start + room < len(payload)
            frame = Transfer(self.handle, delivery_id, tag, 0, settled, more=more)
            self.peer.write_transfer(frame, payload[start : start + room])
        return True

    def close(self, error: AmqpError) -> None:
        if self._attached:
            self.peer.detach(self, error)

    def on_outcome(self, delivery_id: int, tag: bytes, outcome: Outcome | None, *, settled: bool) -> None:
        """The client's decision on one delivery; answered when the client waits for it."""
        if self.node_source is None:
            return

        def settle(state: Described) -> None:
            if not settled:
                self.peer.write(Disposition(SENDER, delivery_id, delivery_id, settled=True, state=state))

        try:
            self.node_source.on_outcome(tag, outcome, settle)
        except AmqpError as error:
            settle(rejected(error))


def _address(value: object) -> str | None:
    terminus = read_terminus(value)
    return None if terminus is None else terminus.address
