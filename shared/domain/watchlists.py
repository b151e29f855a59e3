"""Watchlists: instruments that a user follows, in an order of his own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

MOST_LISTS: Final = 10
"""Of one user."""
MOST_INSTRUMENTS: Final = 100
"""In one list: as many as one call for quotes by address takes."""


@dataclass(frozen=True, slots=True)
class Watchlist:
    """One list. `version` rises with every change, so that two devices do not overwrite each other unseen."""

    watchlist_id: UUID
    name: str
    instruments: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime
