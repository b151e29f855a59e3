"""AMQP sessions, called channels here because Service Bus has sessions of its own (OASIS AMQP 1.0 part 2.5)."""

import asyncio
from collections import deque
from typing import Protocol

from emulators.messaging.codec import Described, Symbol, ULong
from emulators.messaging.errors import AmqpError, Condition, DecodeError, SessionError
from emulators.messaging.frames import write_frame
from emulators.messaging.limits import Limits
from emulators.messaging.links import IncomingLink, Link, OutgoingLink
from emulators.messaging.nodes import Router, Source
from emulators.messaging.performatives import (
    ACCEPTED,
    RECEIVER,
    Attach,
    Begin,
    Detach,
    Disposition,
    Flow,
    Performative,
    Terminus,
    Transfer,
    error_value,
    read_outcome,
    read_terminus,
)

_INCOMING_WINDOW = 8192
_OUTGOING_WINDOW = 0x7FFF_FFFF
_MASK = 0xFFFF_FFFF


class Carrier(Protocol):
    """The connection, as its channels see it."""

    @property
    def limits(self) -> Limits: ...

    @property
    def router(self) -> Router: ...

    @property
    def claims(self) -> dict[str, float]:
        """See `Peer.claims`."""

    @property
    def congested(self) -> bool:
        """Whether the socket takes nothing more for now."""

    @property
    def remote_max_frame_size(self) -> int:
        """Bytes of the largest frame that the client accepts."""

    def write(self, frame: bytes) -> None: ...

    def flush_soon(self) -> None:
        """Call `Channel.flush` of every channel before the loop waits again."""

    def hold(self, size: int) -> None:
        """Count bytes of whole messages that are not settled yet; negative when they are."""

    def gather(self, size: int) -> None:
        """Count bytes of deliveries that are still arriving; negative when they have arrived."""

    def count_link(self) -> None:
        """Count one link more. Raises AmqpError when the connection has too many."""

    def forget_link(self) -> None: ...

    def source_of(self, link_name: str) -> Source | None:
        """See `Peer.source_of`."""

    def task_done(self, task: asyncio.Task[None]) -> None:
        """Notice the end of a task that works for this connection; a failure closes it."""


class Channel:
    """One AMQP session of a connection: windows, links by handle, deliveries by id."""

    def __init__(self, connection: Carrier, number: int, begin: Begin) -> None:
        self._connection = connection
        self._number = number
        self._links: dict[int, Link] = {}
        self._attaching: dict[int, asyncio.Task[None]] = {}
        self._refused: set[int] = set()
        self._next_incoming_id = begin.next_outgoing_id
        self._incoming_window = _INCOMING_WINDOW
        self._next_outgoing_id = 0
        self._remote_window = begin.incoming_window
        self._backlog: deque[tuple[Transfer, bytes]] = deque()
        self._next_delivery_id = 0
        self._unsettled: dict[int, tuple[OutgoingLink, bytes]] = {}
        self._accepted: list[int] = []
        self.write(Begin(number, 0, _INCOMING_WINDOW, _OUTGOING_WINDOW, handle_max=connection.limits.max_links - 1))

    # --- what links and nodes see -----------------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        return self._connection.limits

    @property
    def claims(self) -> dict[str, float]:
        return self._connection.claims

    @property
    def congested(self) -> bool:
        return bool(self._backlog) or self._connection.congested

    @property
    def remote_max_frame_size(self) -> int:
        return self._connection.remote_max_frame_size

    @property
    def sender_properties(self) -> dict[object, object]:
        return {Symbol("com.microsoft:max-message-batch-size"): ULong(self.limits.max_message_bytes)}

    def hold(self, size: int) -> None:
        self._connection.hold(size)

    def gather(self, size: int) -> None:
        self._connection.gather(size)

    def release(self, size: int) -> None:
        self._connection.hold(-size)

    def reply_source(self, address: str) -> Source | None:
        for link in self.outgoing_links():
            if link.address == address:
                return link.node_source
        return None

    def source_of(self, link_name: str) -> Source | None:
        return self._connection.source_of(link_name)

    def outgoing_links(self) -> list[OutgoingLink]:
        return [link for link in self._links.values() if isinstance(link, OutgoingLink)]

    def next_delivery_id(self, unsettled: tuple[OutgoingLink, bytes] | None) -> int:
        """Number a delivery, remembering it until it is settled."""
        delivery_id = self._next_delivery_id
        self._next_delivery_id = (delivery_id + 1) & _MASK
        if unsettled is not None:
            self._unsettled[delivery_id] = unsettled
        return delivery_id

    # --- writing ----------------------------------------------------------------------------------------------------

    def write(self, performative: Performative) -> None:
        self._connection.write(write_frame(performative, self._number))

    def write_flow(
        self, handle: int | None, delivery_count: int | None, credit: int | None, *, drain: bool = False
    ) -> None:
        """Send the windows and, for a link, its credit."""
        self.write(
            Flow(
                self._next_incoming_id,
                self._incoming_window,
                self._next_outgoing_id,
                _OUTGOING_WINDOW,
                handle,
                delivery_count,
                credit,
                drain=drain,
            )
        )

    def write_transfer(self, frame: Transfer, payload: bytes) -> None:
        """Send when the client's window allows."""
        self._backlog.append((frame, payload))
        self._send_backlog()

    def _send_backlog(self) -> None:
        while self._backlog and self._remote_window > 0:
            frame, payload = self._backlog.popleft()
            self._remote_window -= 1
            self._next_outgoing_id = (self._next_outgoing_id + 1) & _MASK
            self._connection.write(write_frame(frame, self._number, payload))

    def settle_incoming(self, delivery_id: int, outcome: Described) -> None:
        """Settle a client's delivery; accepted ones are gathered into ranges until the connection flushes."""
        if outcome is ACCEPTED:
            self._accepted.append(delivery_id)
            self._connection.flush_soon()
        else:
            self.write(Disposition(RECEIVER, delivery_id, delivery_id, settled=True, state=outcome))

    def flush(self) -> None:
        """Write the gathered acceptances, one frame a consecutive range."""
        accepted, self._accepted = sorted(self._accepted), []
        start = 0
        for index, delivery_id in enumerate(accepted):
            if index + 1 == len(accepted) or accepted[index + 1] != delivery_id + 1:
                first = accepted[start]
                start = index + 1
                self.write(Disposition(RECEIVER, first, delivery_id, settled=True, state=ACCEPTED))

    # --- reading ----------------------------------------------------------------------------------------------------

    def on_frame(self, performative: Performative, payload: bytes) -> None:
        """One frame of this channel. Raises SessionError or ProtocolError."""
        match performative:
            case Transfer():
                self._on_transfer(performative, payload)
            case Disposition():
                self._on_disposition(performative)
            case Flow():
                self._on_flow(performative)
            case Attach():
                self._on_attach(performative)
            case Detach():
                self._on_detach(performative)
            case _:
                raise SessionError(Condition.NOT_ALLOWED, "This performative does not belong to a session.")

    def _on_transfer(self, frame: Transfer, payload: bytes) -> None:
        self._next_incoming_id = (self._next_incoming_id + 1) & _MASK
        self._incoming_window -= 1
        if self._incoming_window < 0:
            raise SessionError(Condition.WINDOW_VIOLATION, "The session's incoming window is exhausted.")
        link = self._links.get(frame.handle)
        if isinstance(link, IncomingLink) and link.sink is not None:
            try:
                link.on_transfer(frame, payload)
            except AmqpError as error:
                self.detach(link, error)
        elif frame.handle not in self._refused:
            raise SessionError(Condition.UNATTACHED_HANDLE, "A transfer names a handle that is not attached.")
        if self._incoming_window < _INCOMING_WINDOW // 2:
            self._incoming_window = _INCOMING_WINDOW
            self.write_flow(None, None, None)

    def _on_flow(self, flow: Flow) -> None:
        seen = flow.next_incoming_id if flow.next_incoming_id is not None else 0
        window = (seen + flow.incoming_window - self._next_outgoing_id) & _MASK
        self._remote_window = window if window <= 0x7FFF_FFFF else 0
        self._send_backlog()
        if flow.handle is None:
            if flow.echo:
                self.write_flow(None, None, None)
            self.on_writable()
        elif flow.handle in self._links:
            self._links[flow.handle].on_flow(flow)
        elif flow.handle not in self._refused:
            raise SessionError(Condition.UNATTACHED_HANDLE, "A flow names a handle that is not attached.")

    def on_writable(self) -> None:
        """Let receiving links go on."""
        for link in self.outgoing_links():
            link.on_writable()

    def _on_disposition(self, frame: Disposition) -> None:
        if frame.role is not RECEIVER:
            return
        outcome = read_outcome(frame.state)
        if outcome is None and not frame.settled:
            return
        for delivery_id in self._settled_by(frame):
            link, tag = self._unsettled.pop(delivery_id)
            link.on_outcome(delivery_id, tag, outcome, settled=frame.settled)

    def _settled_by(self, frame: Disposition) -> list[int]:
        """Known deliveries in the frame's range, which a hostile client may make 2³² wide."""
        last = frame.first if frame.last is None else frame.last
        width = (last - frame.first) & _MASK
        if width < len(self._unsettled):
            wanted = ((frame.first + offset) & _MASK for offset in range(width + 1))
            return [delivery_id for delivery_id in wanted if delivery_id in self._unsettled]
        return [delivery_id for delivery_id in self._unsettled if (delivery_id - frame.first) & _MASK <= width]

    # --- links ------------------------------------------------------------------------------------------------------

    def _on_attach(self, attach: Attach) -> None:
        if attach.handle in self._links:
            raise SessionError(Condition.HANDLE_IN_USE, "An attach names a handle that is in use.")
        if attach.handle >= self.limits.max_links or len(self._links) >= self.limits.max_links:
            raise SessionError(Condition.RESOURCE_LIMIT, f"A session has at most {self.limits.max_links} links.")
        link = self._new_link(attach)
        self._connection.count_link()
        self._refused.discard(attach.handle)
        self._links[attach.handle] = link
        task = asyncio.create_task(self._open(link))
        self._attaching[attach.handle] = task
        task.add_done_callback(self._connection.task_done)

    def _new_link(self, attach: Attach) -> Link:
        source, target = read_terminus(attach.source), read_terminus(attach.target)
        if attach.role is RECEIVER:
            source = source or Terminus(None, {})
            return OutgoingLink(self, attach, _path(source.address), source)
        return IncomingLink(self, attach, _path(target.address if target else None))

    async def _open(self, link: Link) -> None:
        try:
            node = self._connection.router.node(link.address, self)
            if isinstance(link, IncomingLink):
                link.open(await node.attach_sink(link))
            else:
                link.open(*await node.attach_source(link))
        except AmqpError as error:
            self.write(link.refusal())
            self.detach(link, error)
        finally:
            self._attaching.pop(link.handle, None)

    def detach(self, link: Link, error: AmqpError) -> None:
        """End a link with an error; frames that the client still sends on it are dropped."""
        if self._links.get(link.handle) is link:
            self._forget(link)
            self._refused.add(link.handle)
            self.write(Detach(link.handle, closed=True, error=error_value(error)))

    def _on_detach(self, frame: Detach) -> None:
        link = self._links.get(frame.handle)
        if link is None:
            self._refused.discard(frame.handle)
            return
        self._forget(link)
        self.write(Detach(frame.handle, closed=frame.closed))

    def expire(self) -> None:
        """Detach links whose claims have expired."""
        for link in list(self._links.values()):
            try:
                self._connection.router.node(link.address, self)
            except AmqpError as error:
                self.detach(link, error)

    def _forget(self, link: Link) -> None:
        del self._links[link.handle]
        self._connection.forget_link()
        task = self._attaching.pop(link.handle, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        link.detached()
        for delivery_id in [key for key, (owner, _) in self._unsettled.items() if owner is link]:
            del self._unsettled[delivery_id]

    def ended(self) -> None:
        """The session or its connection is gone."""
        for link in list(self._links.values()):
            self._forget(link)
        self._backlog.clear()


def _path(address: str | None) -> str:
    """An entity path: an address without scheme and host."""
    if address is None:
        raise DecodeError("A link has no address.")
    _, separator, rest = address.partition("://")
    return rest.partition("/")[2].strip("/") if separator else address.strip("/")
