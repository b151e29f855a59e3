"""The seam between AMQP and what stands behind an address.

A `Node` answers for one address. A client's sending link attaches to it as a `Sink`, a receiving one as a `Source`;
queues, topics, subscriptions, event hubs, management and claims-based security are nodes.
"""

from collections.abc import Callable
from typing import Protocol

from emulators.messaging.codec import Described
from emulators.messaging.errors import AmqpError
from emulators.messaging.performatives import Attach, Outcome, Terminus

type Settle = Callable[[Described], None]
"""Settles one delivery with an outcome; may be called later, and does nothing when the link is gone."""


class Sink(Protocol):
    """Takes what a client sends."""

    def on_message(self, payload: bytes, message_format: int, settle: Settle) -> None:
        """One whole delivery. AmqpError raised here becomes the rejected outcome."""

    def on_detach(self) -> None:
        """The link is gone."""


class Source(Protocol):
    """Gives what a client receives."""

    def on_credit(self) -> None:
        """The link may carry more than before."""

    def on_outcome(self, tag: bytes, outcome: Outcome | None, settle: Settle) -> None:
        """The receiver decided. AmqpError raised here becomes the rejected outcome."""

    def on_detach(self) -> None:
        """The link is gone."""


class Peer(Protocol):
    """The connection that a link belongs to, as nodes see it."""

    @property
    def claims(self) -> dict[str, float]:
        """Audience paths that this connection has proved, and until when (seconds since 1970)."""

    def reply_source(self, address: str) -> "Source | None":
        """What this session's receiving link from `address` is attached to, for answers to requests."""

    def source_of(self, link_name: str) -> Source | None:
        """What a receiving link of this connection, found by name, is attached to."""


class SinkLink(Protocol):
    """A link on which a client sends."""

    @property
    def peer(self) -> Peer: ...

    @property
    def address(self) -> str: ...

    @property
    def attach(self) -> Attach: ...

    def limit_messages(self, size: int) -> None:
        """Say, before the attach is answered, that messages may have up to `size` bytes."""


class SourceLink(Protocol):
    """A link on which a client receives."""

    @property
    def peer(self) -> Peer: ...

    @property
    def address(self) -> str: ...

    @property
    def attach(self) -> Attach: ...

    @property
    def source(self) -> Terminus: ...

    @property
    def credit(self) -> int:
        """How many deliveries the client allows; 0 while the connection cannot take more."""

    def send(self, tag: bytes, payload: bytes, *, settled: bool) -> bool:
        """Send one delivery; false when the link is gone or has no credit."""

    def close(self, error: AmqpError) -> None:
        """Detach with an error."""

    def finish_drain(self) -> None:
        """Nothing more can be sent now: give back unused credit when the client asked for that."""


class Node(Protocol):
    """What stands behind an address. Both raise AmqpError to refuse the link, and may wait."""

    async def attach_sink(self, link: SinkLink) -> Sink: ...

    async def attach_source(self, link: SourceLink) -> tuple[Source, dict[object, object], dict[object, object]]:
        """The source, the filters to echo, and the properties of the attach answer."""


class Router(Protocol):
    """Finds nodes."""

    def node(self, address: str, peer: Peer) -> Node:
        """The node at `address`. Raises AmqpError (not-found, unauthorized-access)."""
