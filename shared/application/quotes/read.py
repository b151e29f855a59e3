"""Quotes, books and snapshots as clients read them: bytes of JSON, joined from pieces that are written once a quote."""

import hashlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

from shared.application.quotes.board import QuoteBoard
from shared.contracts.quote_writing import Form, Mode, write_depth, write_quotes
from shared.contracts.quotes import ShardView, SnapshotsView
from shared.domain.errors import NotFoundError, UnavailableError

_RETRY_S = 1


class Snapshot(NamedTuple):
    """An answer that any cache may keep. `etag` is the same in every process for the same content."""

    etag: str
    body: bytes


class ReadQuotes:
    """The use cases."""

    def __init__(self, board: QuoteBoard) -> None:
        self._board = board

    async def quotes(self, instrument_ids: Sequence[str], mode: Mode, form: Form = Form.JSON) -> bytes:
        """A `QuotesView`. Raises NotFoundError for an unknown instrument, UnavailableError when none has a quote."""
        require_known(self._board, instrument_ids)
        found = await self._board.read(instrument_ids)
        if not found:
            raise no_quotes()
        missing = [each for each in instrument_ids if each not in found]
        return write_quotes(form, mode, found.values(), missing=missing)

    async def snapshot(self, shard: str, form: Form = Form.JSON) -> Snapshot:
        """A `SnapshotView`: every quote of the shard. Raises NotFoundError, UnavailableError."""
        instrument_ids = self._board.shards.instruments_of(shard)
        if not instrument_ids:
            raise NotFoundError("There is no such shard: GET /api/marketdata/snapshots lists them")
        found = await self._board.read(instrument_ids)
        if not found:
            raise no_quotes()
        body = write_quotes(form, "full", found.values(), shard=shard)
        return Snapshot(f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"', body)

    def shards(self) -> SnapshotsView:
        """Which shard each instrument is in."""
        shards = self._board.shards
        return SnapshotsView(
            items=[ShardView(shard=each, instruments=list(shards.instruments_of(each))) for each in shards.shards]
        )

    async def depth(self, instrument_id: str) -> bytes:
        """A `DepthView`. Raises NotFoundError, UnavailableError."""
        require_known(self._board, [instrument_id])
        found = await self._board.read([instrument_id])
        if instrument_id not in found:
            raise no_quotes()
        written, stale = found[instrument_id]
        return write_depth(written, stale=stale)


def require_known(board: QuoteBoard, instrument_ids: Collection[str]) -> None:
    """Raises NotFoundError that names the instruments which nothing is published of."""
    unknown = set(instrument_ids) - board.shards_of(instrument_ids).keys()
    if unknown:
        named = sorted(unknown)
        raise NotFoundError(
            f"There is no market data of {', '.join(named)}: see GET /api/instruments", {"instruments": named}
        )


def no_quotes() -> UnavailableError:
    """Nothing is known yet: neither here nor in the store."""
    return UnavailableError(
        "No quotes have arrived yet: repeat the request after Retry-After seconds", retry_after_s=_RETRY_S
    )
