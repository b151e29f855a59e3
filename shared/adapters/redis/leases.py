"""Leases of connections on their groups, in Redis.

`lease` of a connection says whose it is and what it holds. `group` is a sorted set of connections by the end of their
lease, and `groups` one of the groups by the end of their last member's, so a group without members is known at once.
All keys share a hash tag, because one script changes them together.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import orjson

from shared.adapters.redis.client import AWAY, Breaker, Client
from shared.domain.errors import UnavailableError
from shared.domain.market_data.groups import LEASE_S
from shared.ports.subscriptions import Membership

_PATIENCE_S: Final = 1.0
_PREFIX: Final = "{push}:"
# KEYS: the lease, `groups`. ARGV: now, seconds, connection, what the lease says, how many groups, these, those left.
_RENEW: Final = """
local now, seconds, connection, held = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[5])
redis.call('SET', KEYS[1], ARGV[4], 'EX', seconds)
for place = 6, #ARGV do
    local group = ARGV[place]
    local key = '{push}:group:' .. group
    if place < 6 + held then
        redis.call('ZADD', key, now + seconds, connection)
        redis.call('EXPIRE', key, seconds)
    else
        redis.call('ZREM', key, connection)
    end
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
    if last[2] then
        redis.call('ZADD', KEYS[2], last[2], group)
    else
        redis.call('ZREM', KEYS[2], group)
    end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
"""


class RedisLeases:
    """Every call raises UnavailableError when Redis is unavailable."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._renew = redis.register_script(_RENEW)
        self._breaker = Breaker()

    async def held(self, connection_id: str) -> Membership | None:
        """What the connection holds by a lease that has not ended."""
        async with self._answered():
            noted = await self._redis.get(_lease(connection_id))
        if noted is None:
            return None
        user_id, groups = orjson.loads(noted)
        return Membership(UUID(user_id), frozenset(groups))

    async def renew(self, connection_id: str, user_id: UUID, groups: Collection[str], left: Collection[str]) -> None:
        """One more lease on these groups, none on what it has left."""
        said = orjson.dumps([str(user_id), sorted(groups)])
        arguments: list[str | bytes | int | float] = [time.time(), LEASE_S, connection_id, said, len(groups)]
        arguments += [*groups, *left]
        async with self._answered():
            await self._renew([_lease(connection_id), f"{_PREFIX}groups"], arguments)

    async def live(self) -> frozenset[str]:
        """The groups that have members."""
        async with self._answered():
            groups = await self._redis.zrangebyscore(f"{_PREFIX}groups", time.time(), "+inf")
        return frozenset(group.decode() for group in groups if isinstance(group, bytes))

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        if self._breaker.is_open:
            raise _away()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                yield
        except AWAY as error:
            self._breaker.trip()
            raise _away() from error


def _lease(connection_id: str) -> str:
    return f"{_PREFIX}lease:{connection_id}"


def _away() -> UnavailableError:
    return UnavailableError("Subscriptions are not available: try again", retry_after_s=1)
