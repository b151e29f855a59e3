"""Order ids: UUIDv7 (RFC 9562) that carry the user's slot, and sort by arrival within one process.

    48 bits milliseconds | version 7 | 12 bits user slot | variant | 20 bits nanoseconds in the millisecond | 42 random

The 4,096 slots map to cells, so an order id names its user's cell.
"""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

SLOTS: Final = 4096
_NS_PER_MS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def user_slot(user_id: UUID) -> int:
    """The user's slot, 0 to 4095: CRC-32 of the id's 16 bytes modulo 4096."""
    return zlib.crc32(user_id.bytes) % SLOTS


def order_slot(order_id: UUID) -> int:
    """The slot that an order id carries."""
    return (order_id.int >> 64) & (SLOTS - 1)


def new_order_id(user_id: UUID, at_ns: int, random_bits: int) -> UUID:
    """The id of an order that arrives at `at_ns` (nanoseconds since 1970); `random_bits` gives 42 bits."""
    milliseconds, nanoseconds = divmod(at_ns, _NS_PER_MS)
    high = (milliseconds & ((1 << 48) - 1)) << 16 | 7 << 12 | user_slot(user_id)
    low = 0b10 << 62 | nanoseconds << 42 | random_bits & ((1 << 42) - 1)
    return UUID(int=high << 64 | low)


def first_id(at: datetime) -> UUID:
    """Not above any UUIDv7 that is made from this millisecond on, and above all that were made before."""
    return UUID(int=(at - _EPOCH) // _MS << 80)


def made_at(uuid7: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return _EPOCH + (uuid7.int >> 80) * _MS
