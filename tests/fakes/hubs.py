"""Hubs that let everybody in, and their connections."""

from collections.abc import Collection
from uuid import UUID

from shared.domain.push import Hub
from shared.ports.push import HubAccess
from shared.ports.subscriptions import ConnectionGoneError, Membership


class MemoryHubs:
    """`Hubs`; the token says who was let in."""

    async def admit(self, hub: Hub, user_id: UUID, roles: Collection[str]) -> HubAccess:
        return HubAccess(f"http://hubs.example/client/?hub={hub}", f"{user_id} {','.join(sorted(roles))}")


class MemoryMemberships:
    """`Memberships` of these connections, by their users."""

    def __init__(self, connections: dict[str, UUID]) -> None:
        self.connections = connections
        self.leases: dict[str, Membership] = {}
        self.joined: dict[str, set[str]] = {}
        """What the hub itself has."""

    async def held(self, connection_id: str) -> Membership | None:
        return self.leases.get(connection_id)

    async def belongs(self, connection_id: str, user_id: UUID) -> bool:
        return self.connections.get(connection_id) == user_id

    async def change(
        self, connection_id: str, user_id: UUID, groups: Collection[str], before: Collection[str] | None
    ) -> None:
        if connection_id not in self.connections:
            self.leases.pop(connection_id, None)
            raise ConnectionGoneError
        there = set() if before is None else self.joined.get(connection_id, set())
        self.joined[connection_id] = (there - set(before or ())) | set(groups)
        self.leases[connection_id] = Membership(user_id, frozenset(groups))
