"""The lanes of exchange-messages.md: all requests and reports of one instrument belong to one lane."""

import zlib

LANES = 64


def lane_name(number: int) -> str:
    """The session id of a lane: "00" to "63"."""
    return f"{number:02d}"


def lane_of(instrument_id: str) -> str:
    """The lane of an instrument."""
    return lane_name(zlib.crc32(instrument_id.encode()) % LANES)
