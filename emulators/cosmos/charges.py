"""What a request would cost, in request units. A plausible model, not the service's measurements:

- a point read of 1 KB costs 1, of 100 KB 10 (https://learn.microsoft.com/azure/cosmos-db/key-value-store-cost);
- a write costs five times the read of the same size, a deletion as much as a write;
- a query costs 2.3, a tenth of a unit for each item it reads, and what reading all of their bytes would cost at 100 KB
  for 10 units.
"""

_READ_1_KB = 1.0
_READ_100_KB = 10.0
_WRITE_FACTOR = 5.0
_QUERY = 2.3
_SCANNED = 0.1


def read(size: int) -> float:
    """For a point read of so many bytes."""
    kilobytes = max(size / 1024, 1.0)
    return round(_READ_1_KB + (kilobytes - 1) * (_READ_100_KB - _READ_1_KB) / 99, 2)


def write(size: int) -> float:
    """For a write of so many bytes."""
    return round(read(size) * _WRITE_FACTOR, 2)


def query(items: int, size: int) -> float:
    """For a page of a feed that read so many items and bytes."""
    return round(_QUERY + items * _SCANNED + size / 1024 * _READ_100_KB / 100, 2)


METADATA = 1.0
"""For reading or changing an account's databases and containers."""
