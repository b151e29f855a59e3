"""What one emulator holds and how long it waits; the defaults are the service's where it documents them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one running emulator.

    `max_message_bytes` bounds a REST body (1 MB in the service) and what a client may send before a record ends;
    `max_queued_bytes` is what may wait for one slow client before its connection is cut; times are in seconds
    (ASP.NET Core SignalR's defaults: https://learn.microsoft.com/aspnet/core/signalr/configuration).
    """

    max_connections: int = 10_000
    max_message_bytes: int = 1024 * 1024
    max_queued_bytes: int = 4 * 1024 * 1024
    keep_alive_s: float = 15.0
    client_timeout_s: float = 30.0
    handshake_timeout_s: float = 15.0
    close_timeout_s: float = 5.0


HEAD_BYTES = 16 * 1024
HEAD_TIMEOUT_S = 15.0
MAX_USERS_WITH_GROUPS = 20_000
MAX_GROUPS_PER_USER = 100
MAX_GROUP_NAME = 1024
