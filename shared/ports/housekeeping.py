"""What is kept for how long, and the storage that must exist before it is needed."""

from datetime import date
from typing import Protocol


class Housekeeping(Protocol):
    """Every call may be repeated; each removes a bounded number of rows at a time."""

    async def forget(self, most: int) -> dict[str, int]:
        """Remove what is past its retention; rows removed by table, at most `most` each."""

    async def prepare_months(self, today: date) -> list[str]:
        """Make the trade partitions of the coming months; names of those made now."""
