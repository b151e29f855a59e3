"""Subscriptions of a connection to the hub `market`."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from shared.contracts.common import Body, InstrumentId, View

MOST_INSTRUMENTS: Final = 20
MOST_SHARDS: Final = 50

type ConnectionId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$"),
    Field(description="`connectionId` of the SignalR client that is connected to the hub `market`"),
]
type ShardId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$"), Field(examples=["s000"])]
type _Instruments = Annotated[
    list[InstrumentId], Field(max_length=MOST_INSTRUMENTS, description="Each change of these, with the book")
]
type _Shards = Annotated[
    list[ShardId], Field(max_length=MOST_SHARDS, description="Last price and volume of all instruments of these")
]


class Subscribe(Body):
    """Everything that the connection wants from now on."""

    connection_id: ConnectionId
    instruments: _Instruments = Field(default_factory=list)
    shards: _Shards = Field(default_factory=list)
    background: Annotated[bool, Field(description="Lists are out of sight: every five seconds is enough")] = False


class Unsubscribe(Body):
    """What the connection wants no longer; without both lists, nothing more."""

    connection_id: ConnectionId
    instruments: _Instruments | None = None
    shards: _Shards | None = None


class SubscriptionsView(View):
    """What the connection is subscribed to now."""

    connection_id: str
    instruments: list[str]
    shards: list[str]
    background: bool
    lease_s: Annotated[int, Field(description="Seconds until it ends: repeat the PUT in half of that")]
