"""Groups of clients that get the same market data: for the page of one instrument, for lists by shard at two rates, and
for the state of a shard."""

from typing import Final

LEASE_S: Final = 120
"""How long a subscription lasts unless it is renewed."""
FULL_EVERY_S: Final = 0.2
"""Below the feed's four windows a second, so that none waits for the next one."""
LIST_EVERY_S: Final = 1.0
BACKGROUND_EVERY_S: Final = 5.0
STATUS_EVERY_S: Final = 5.0


def page_group(instrument_id: str) -> str:
    """Clients that show one instrument."""
    return f"i:{instrument_id}"


def list_group(shard: str, *, background: bool = False) -> str:
    """Clients that show lists with instruments of the shard; those in the background are sent less."""
    return f"{'b' if background else 's'}:{shard}"


def status_group(shard: str) -> str:
    """Clients that show anything of the shard."""
    return f"h:{shard}"
