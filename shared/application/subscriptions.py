"""Market data for one connection: which groups it is in, whose it is, and for how long."""

from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from shared.application.quotes.board import QuoteBoard
from shared.contracts.subscriptions import SubscriptionsView
from shared.domain.errors import NotFoundError, UnavailableError
from shared.domain.market_data.groups import LEASE_S, list_group, page_group, status_group
from shared.domain.market_data.shards import ShardMap
from shared.ports.subscriptions import ConnectionGoneError, Membership, Memberships

_NOT_CONFIGURED_RETRY_S: Final = 60
_PAGE: Final = page_group("")
_LIST: Final = list_group("")
_BACKGROUND: Final = list_group("", background=True)
_STATUS: Final = status_group("")


class Subscriptions:
    """The use cases; without memberships nothing is pushed, and clients poll."""

    def __init__(self, memberships: Memberships | None, shards: ShardMap, board: QuoteBoard) -> None:
        self._memberships = memberships
        self._shards = shards
        self._board = board

    async def subscribe(
        self, user_id: UUID, connection_id: str, instruments: Iterable[str], shards: Iterable[str], *, background: bool
    ) -> SubscriptionsView:
        """Subscribe the caller's connection to exactly this, for one lease.

        Raises NotFoundError for what the feed does not carry and for a connection that is not the caller's,
        UnavailableError.
        """
        groups = {list_group(self._carried(shard), background=background) for shard in shards}
        groups |= {page_group(each) for each in instruments if self._shard_of(each)}
        return await self._change(user_id, connection_id, lambda _: groups)

    async def unsubscribe(
        self, user_id: UUID, connection_id: str, instruments: Iterable[str] | None, shards: Iterable[str] | None
    ) -> SubscriptionsView:
        """Take the caller's connection out of these, out of everything when both are None.

        Raises NotFoundError, UnavailableError.
        """
        if instruments is None and shards is None:
            return await self._change(user_id, connection_id, lambda _: set())
        ended = {page_group(each) for each in instruments or ()}
        ended |= {list_group(each, background=slow) for each in shards or () for slow in (False, True)}
        return await self._change(user_id, connection_id, lambda held: held - ended)

    async def _change(
        self, user_id: UUID, connection_id: str, decide: Callable[[set[str]], set[str]]
    ) -> SubscriptionsView:
        memberships = self._require()
        held = await memberships.held(connection_id)
        await self._require_own(memberships, connection_id, user_id, held)
        wanted = decide(set(held.groups) if held else set())
        wanted = {group for group in wanted if not group.startswith(_STATUS)}
        shards = {self._shard_of_group(group) for group in wanted}
        status = set(map(status_group, shards))
        try:
            await memberships.change(connection_id, user_id, wanted | status, held and held.groups)
        except ConnectionGoneError:
            raise _not_yours() from None
        # Where nobody reads quotes, subscribers notice that a shard is mute.
        await self._board.look(shards)
        return _view(connection_id, wanted)

    def _require(self) -> Memberships:
        if self._memberships is None:
            raise UnavailableError(
                "This broker pushes nothing: poll GET /api/marketdata/stream", retry_after_s=_NOT_CONFIGURED_RETRY_S
            )
        return self._memberships

    async def _require_own(
        self, memberships: Memberships, connection_id: str, user_id: UUID, held: Membership | None
    ) -> None:
        own = held.user_id == user_id if held else await memberships.belongs(connection_id, user_id)
        if not own:
            raise _not_yours()

    def _carried(self, shard: str) -> str:
        if not self._shards.instruments_of(shard):
            raise NotFoundError(f"shards: the feed has no shard {shard}")
        return shard

    def _shard_of(self, instrument_id: str) -> str:
        shard = self._shards.shard_of(instrument_id)
        if shard is None:
            raise NotFoundError(f"instruments: the feed does not carry {instrument_id}")
        return shard

    def _shard_of_group(self, group: str) -> str:
        _, _, name = group.partition(":")
        return self._shard_of(name) if group.startswith(_PAGE) else name


def _view(connection_id: str, groups: Iterable[str]) -> SubscriptionsView:
    names: dict[str, list[str]] = {_PAGE: [], _LIST: [], _BACKGROUND: []}
    for group in sorted(groups):
        kind, colon, name = group.partition(":")
        names[kind + colon].append(name)
    return SubscriptionsView(
        connection_id=connection_id,
        instruments=names[_PAGE],
        shards=names[_LIST] or names[_BACKGROUND],
        background=bool(names[_BACKGROUND]),
        lease_s=LEASE_S,
    )


def _not_yours() -> NotFoundError:
    return NotFoundError("There is no such connection of yours: connect to the hub market and send its connectionId")
