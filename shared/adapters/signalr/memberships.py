"""`Memberships` at the service, with leases in Redis.

The service lists the connections of a group with their users, and puts all connections of a user into a group; a group
of each user's own is therefore how a connection is known as this user's.
"""

import asyncio
from collections.abc import Collection
from uuid import UUID

from shared.adapters.redis.leases import RedisLeases
from shared.adapters.signalr.service import SignalRService
from shared.domain.push import Hub
from shared.ports.subscriptions import ConnectionGoneError, Membership


class SignalRMemberships:
    """`Memberships`."""

    def __init__(self, service: SignalRService, leases: RedisLeases) -> None:
        self._service = service
        self._leases = leases

    async def held(self, connection_id: str) -> Membership | None:
        """See `Memberships.held`."""
        return await self._leases.held(connection_id)

    async def belongs(self, connection_id: str, user_id: UUID) -> bool:
        """See `Memberships.belongs`."""
        return connection_id in await self._service.connections_of(Hub.MARKET, user_id)

    async def change(
        self, connection_id: str, user_id: UUID, groups: Collection[str], before: Collection[str] | None
    ) -> None:
        """See `Memberships.change`."""
        if before is None:
            # Of a lease that has ended the service still has the groups.
            await self._service.leave_all(Hub.MARKET, connection_id)
            before = ()
        joined, left = set(groups).difference(before), set(before).difference(groups)
        there = await asyncio.gather(
            *(self._service.join(Hub.MARKET, group, connection_id) for group in joined),
            *(self._service.leave(Hub.MARKET, group, connection_id) for group in left),
        )
        if not all(there):
            await self._leases.renew(connection_id, user_id, (), {*groups, *before})
            raise ConnectionGoneError
        await self._leases.renew(connection_id, user_id, groups, left)
