"""Resource ids: fixed numbers in base64, each beginning with the id of what it belongs to."""

import base64


def _encoded(data: bytes) -> str:
    return base64.b64encode(data, altchars=b"+-").decode()


def database_rid(number: int) -> str:
    """The id of a database: four bytes."""
    return _encoded(number.to_bytes(4))


def container_rid(database: int, number: int) -> str:
    """The id of a container: eight bytes, of which the fifth has its top bit set."""
    return _encoded(database.to_bytes(4) + (number | 0x8000_0000).to_bytes(4))


def item_rid(database: int, container: int, number: int) -> str:
    """The id of an item: sixteen bytes."""
    return _encoded(database.to_bytes(4) + (container | 0x8000_0000).to_bytes(4) + number.to_bytes(8))


def range_rid(database: int, container: int, number: int) -> str:
    """The id of a range of partition keys."""
    return item_rid(database, container, (number + 2) << 56 | 0x50)
