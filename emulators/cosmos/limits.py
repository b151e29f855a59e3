"""What the emulator accepts at most; the service's own limits where it documents them
(https://learn.microsoft.com/azure/cosmos-db/concepts-limits).
"""

from dataclasses import dataclass

MAX_ITEM_BYTES = 2 * 1024 * 1024
MAX_BATCH_OPERATIONS = 100
MAX_BATCH_BYTES = 2 * 1024 * 1024
MAX_PATCH_OPERATIONS = 10
MAX_ID_BYTES = 1023
MAX_KEY_BYTES = 2048
MAX_NAME_CHARACTERS = 255
MAX_DEPTH = 128
MAX_QUERY_CHARACTERS = 512 * 1024
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
MAX_UNIQUE_KEYS = 10
MAX_UNIQUE_PATHS = 16
MAX_TTL_S = 2**31 - 1

# The emulator's own.
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_PARAMETERS = 2000
MAX_EXPRESSION_DEPTH = 120
MAX_EXPRESSION_NODES = 20_000
MAX_PAGE_ITEMS = 1000
MAX_SCANNED_BYTES = 16 * 1024 * 1024
MAX_KEPT_BYTES = 64 * 1024 * 1024
MAX_TEXT_CHARACTERS = 4 * 1024 * 1024
MAX_STEPS = 200_000
MAX_CONTAINERS = 1000
MAX_FAULTS = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one running server; times in seconds."""

    max_connections: int = 1000
    idle_timeout_s: float = 120.0
    statement_timeout_s: float = 30.0
    clock_skew_s: float = 15 * 60.0
