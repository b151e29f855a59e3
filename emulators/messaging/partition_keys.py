"""Which partition a partition key belongs to: Bob Jenkins' lookup3, as Event Hubs and its SDKs use it.

Algorithm: https://burtleburtle.net/bob/c/lookup3.c (`hashlittle2`, public domain). The service folds both words to 16
bits, reads them as a signed number and takes the absolute remainder, as the .NET SDK's PartitionResolver does.
"""

_MASK = 0xFFFF_FFFF


def partition_of(key: str, count: int) -> int:
    """The partition, from 0, of a key in a hub of `count` partitions."""
    first, second = _hash(key.encode())
    folded = (first ^ second) & 0xFFFF
    signed = folded - 0x1_0000 if folded >= 0x8000 else folded
    return abs(signed) % count


def _hash(data: bytes) -> tuple[int, int]:
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    position = 0
    while len(data) - position > 12:
        a, b, c = _mix(*_added(data[position : position + 12], a, b, c))
        position += 12
    if position == len(data):
        return c, b
    _, b, c = _final(*_added(data[position:].ljust(12, b"\0"), a, b, c))
    return c, b


def _added(block: bytes, a: int, b: int, c: int) -> tuple[int, int, int]:
    words = (int.from_bytes(block[start : start + 4], "little") for start in (0, 4, 8))
    x, y, z = words
    return (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _MASK) ^ _rotated(c, bits)
        c = (c + b) & _MASK
        # The next round has the roles moved on by one.
        a, b, c = b, c, a
    return a, b, c


def _final(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotated(b, bits)) & _MASK
        a, b, c = b, c, a
    # Seven rounds left the roles one place on.
    return c, a, b
