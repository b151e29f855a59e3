"""A user's watchlists. A change names the version it was made on, so no device overwrites what it has not seen."""

import hashlib
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from uuid import UUID, uuid4, uuid5

from shared.contracts.watchlists import CreateWatchlist, ReplaceWatchlist, WatchlistView
from shared.domain.errors import IdempotencyKeyReusedError, NotFoundError, StateConflictError
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.watchlists import MOST_LISTS, Watchlist
from shared.ports.replies import Replies, StoredReply
from shared.ports.watchlists import WatchlistStore

_CREATED: Final = 201


class Created(NamedTuple):
    """The answer to a new list, byte for byte."""

    body: str
    replayed: bool


class Watchlists:
    """The use cases. Each raises UnavailableError."""

    def __init__(self, watchlists: WatchlistStore, replies: Replies, instruments: InstrumentMaster) -> None:
        self._watchlists = watchlists
        self._replies = replies
        self._instruments = instruments

    async def all(self, user_id: UUID) -> Sequence[WatchlistView]:
        """The user's lists, oldest first."""
        return [_view(each) for each in await self._watchlists.all(user_id)]

    async def get(self, user_id: UUID, watchlist_id: UUID) -> WatchlistView:
        """One of them. Raises NotFoundError."""
        return _view(await self._find(user_id, watchlist_id))

    async def create(self, user_id: UUID, command: CreateWatchlist, key: str | None) -> Created:
        """Make a list, with a key only once.

        Raises NotFoundError for an unknown instrument, StateConflictError when the user has as many lists as he may,
        IdempotencyKeyReusedError.
        """
        fingerprint = hashlib.sha256(f"watchlist/{command.model_dump_json()}".encode()).digest()
        stored = None if key is None else await self._replies.reply(user_id, key)
        if stored is not None:
            return _replayed(stored, fingerprint)
        self._require_known(command.instruments)
        # A repeated call finds the list that the first one made.
        watchlist_id = uuid4() if key is None else uuid5(user_id, f"watchlist/{key}")
        made = await self._watchlists.create(user_id, watchlist_id, command.name, command.instruments)
        if made is None:
            raise StateConflictError(f"You have {MOST_LISTS} watchlists: delete one first", state="FULL")
        body = _view(made).model_dump_json()
        if key is None:
            return Created(body, replayed=False)
        kept = await self._replies.store_reply(user_id, key, StoredReply(fingerprint, _CREATED, body))
        return Created(_replayed(kept, fingerprint).body, replayed=False)

    async def replace(self, user_id: UUID, watchlist_id: UUID, command: ReplaceWatchlist) -> WatchlistView:
        """Change a list. Raises NotFoundError, StateConflictError when it has another version."""
        self._require_known(command.instruments)
        changed = await self._watchlists.replace(
            user_id, watchlist_id, command.version, command.name, command.instruments
        )
        return _view(changed or await self._refuse(user_id, watchlist_id))

    async def delete(self, user_id: UUID, watchlist_id: UUID, version: int) -> WatchlistView:
        """Delete a list; it is answered as it was. Raises NotFoundError, StateConflictError."""
        return _view(
            await self._watchlists.delete(user_id, watchlist_id, version) or await self._refuse(user_id, watchlist_id)
        )

    async def _find(self, user_id: UUID, watchlist_id: UUID) -> Watchlist:
        found = await self._watchlists.get(user_id, watchlist_id)
        if found is None:
            raise NotFoundError("There is no such watchlist: see GET /api/watchlists")
        return found

    async def _refuse(self, user_id: UUID, watchlist_id: UUID) -> Watchlist:
        """Always raises: the list is gone, or was changed by somebody else."""
        found = await self._find(user_id, watchlist_id)
        raise StateConflictError(
            f"The watchlist was changed meanwhile and has version {found.version}: read it, and change that",
            state=f"VERSION_{found.version}",
        )

    def _require_known(self, instrument_ids: Collection[str]) -> None:
        unknown = sorted(set(instrument_ids) - self._instruments.ids)
        if unknown:
            raise NotFoundError(
                f"There is no instrument {', '.join(unknown)}: see GET /api/instruments", {"instruments": unknown}
            )


def _replayed(stored: StoredReply, fingerprint: bytes) -> Created:
    if stored.fingerprint != fingerprint:
        raise IdempotencyKeyReusedError(
            "This Idempotency-Key was used with another body: send a new key for a new request"
        )
    return Created(stored.body, replayed=True)


def _view(watchlist: Watchlist) -> WatchlistView:
    return WatchlistView.of(watchlist, instruments=list(watchlist.instruments))
