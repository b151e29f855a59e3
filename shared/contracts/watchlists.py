"""Watchlists over HTTP."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from shared.contracts.common import (
    Body,
    Id,
    Instant,
    InstrumentId,
    Page,
    Query,
    Title,
    View,
    plain_digits,
    whole_number,
)
from shared.domain.watchlists import MOST_INSTRUMENTS

_MOST_VERSION = 2_147_483_647


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("an instrument stands in a list once: leave its repetitions out")
    return names


type Instruments = Annotated[
    list[InstrumentId],
    Field(max_length=MOST_INSTRUMENTS, description="In the order to show", json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]


class CreateWatchlist(Body):
    """A new list."""

    name: Title
    instruments: Instruments = Field(default_factory=list)


class ReplaceWatchlist(Body):
    """The whole list as it shall be."""

    version: Annotated[
        int, Field(ge=1, le=_MOST_VERSION, description="Of the list that was changed"), BeforeValidator(whole_number)
    ]
    name: Title
    instruments: Instruments


class WatchlistVersionQuery(Query):
    """Which version of the list is meant."""

    version: Annotated[int, Field(ge=1, le=_MOST_VERSION), BeforeValidator(plain_digits)]


class WatchlistView(View):
    """One list; `instruments` in the order they were given."""

    watchlist_id: Id
    name: str
    instruments: list[str]
    version: int
    created_at: Instant
    updated_at: Instant


WatchlistPage = Page[WatchlistView]
