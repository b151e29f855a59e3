"""What the server accepts at most, and how long it waits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server; `max_message_bytes` is the standard tier's."""

    max_message_bytes: int = 256 * 1024
    max_frame_bytes: int = 64 * 1024
    max_connections: int = 1000
    max_channels: int = 256
    max_links: int = 256
    max_links_a_connection: int = 5000
    idle_timeout_s: float = 240.0
    open_timeout_s: float = 30.0
