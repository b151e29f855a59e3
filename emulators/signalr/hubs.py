"""Who is connected, as which user, in which groups; and sending to any of these.

Rules: hub names have no case; everything happens at once on the event loop, so messages reach each
connection in the order of the calls; a user's groups also hold for connections that come later.
"""

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from emulators.signalr.connection import Connection
from emulators.signalr.limits import MAX_GROUPS_PER_USER, MAX_USERS_WITH_GROUPS, Limits
from emulators.signalr.messagepack import Message

_A_YEAR_S = 365 * 24 * 3600.0
_NOBODY: frozenset[str] = frozenset()


class FullError(Exception):
    """The emulator holds as many connections as it may."""


class DuplicateError(Exception):
    """The connection is open already."""


@dataclass
class Hub:
    """Connections by id, by user and by group; empty sets are removed."""

    connections: dict[str, Connection] = field(default_factory=dict)
    users: dict[str, dict[str, Connection]] = field(default_factory=dict)
    groups: dict[str, dict[str, Connection]] = field(default_factory=dict)
    lasting: OrderedDict[str, OrderedDict[str, float]] = field(default_factory=OrderedDict)

    def add(self, connection: Connection) -> None:
        self.connections[connection.id] = connection
        if connection.user is not None:
            self.users.setdefault(connection.user, {})[connection.id] = connection
            for group in self.user_groups(connection.user):
                self.join(connection, group)

    def remove(self, connection: Connection) -> None:
        self.connections.pop(connection.id, None)
        self.leave_all(connection)
        if connection.user is not None:
            _discard(self.users, connection.user, connection.id)

    def join(self, connection: Connection, group: str) -> None:
        connection.groups.add(group)
        self.groups.setdefault(group, {})[connection.id] = connection

    def leave(self, connection: Connection, group: str) -> None:
        connection.groups.discard(group)
        _discard(self.groups, group, connection.id)

    def leave_all(self, connection: Connection) -> None:
        for group in tuple(connection.groups):
            self.leave(connection, group)

    def of_user(self, user: str) -> Collection[Connection]:
        return self.users.get(user, {}).values()

    def of_group(self, group: str) -> Collection[Connection]:
        return self.groups.get(group, {}).values()

    def user_groups(self, user: str) -> list[str]:
        """Groups the user is in now, whether connected or not."""
        until = self.lasting.get(user)
        if until is None:
            return []
        now = time.time()
        for group in [group for group, end in until.items() if end <= now]:
            self._forget(user, group)
        return list(until)

    def user_joins(self, user: str, group: str, ttl_s: float | None) -> None:
        """Put the user's present and future connections into the group, for at most a year."""
        until = self.lasting.setdefault(user, OrderedDict())
        until.pop(group, None)
        until[group] = time.time() + (_A_YEAR_S if ttl_s is None else ttl_s)
        self.lasting.move_to_end(user)
        # The service too forgets a user's oldest groups past 100; the number of users is this emulator's bound.
        if len(until) > MAX_GROUPS_PER_USER:
            self._forget(user, next(iter(until)))
        if len(self.lasting) > MAX_USERS_WITH_GROUPS:
            self.lasting.popitem(last=False)
        for connection in self.of_user(user):
            self.join(connection, group)

    def user_leaves(self, user: str, group: str) -> None:
        self._forget(user, group)

    def user_leaves_all(self, user: str) -> None:
        self.lasting.pop(user, None)
        for connection in self.of_user(user):
            self.leave_all(connection)

    def expire(self) -> None:
        """Take users out of the groups whose time is over."""
        for user in tuple(self.lasting):
            self.user_groups(user)

    def _forget(self, user: str, group: str) -> None:
        until = self.lasting.get(user)
        if until is not None:
            until.pop(group, None)
            if not until:
                del self.lasting[user]
        for connection in self.of_user(user):
            self.leave(connection, group)


def _discard(index: dict[str, dict[str, Connection]], name: str, connection_id: str) -> None:
    members = index.get(name)
    if members is not None:
        members.pop(connection_id, None)
        if not members:
            del index[name]


class Registry:
    """All hubs of the emulator."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._hubs: dict[str, Hub] = {}
        self._open: dict[tuple[str, str], Connection] = {}

    @property
    def full(self) -> bool:
        return len(self._open) >= self.limits.max_connections

    def hub(self, name: str) -> Hub:
        """The hub of that name; one that is not kept while nobody is in it."""
        return self._hubs.get(name.lower()) or Hub()

    def kept(self, name: str) -> Hub:
        """The hub of that name, kept from now on."""
        return self._hubs.setdefault(name.lower(), Hub())

    def reserve(self, hub: str, connection: Connection) -> None:
        """Count a connection before its handshake. Raises FullError, DuplicateError."""
        place = hub.lower(), connection.id
        if place in self._open:
            raise DuplicateError
        if self.full:
            raise FullError
        self._open[place] = connection

    def admit(self, hub: str, connection: Connection) -> None:
        """Let messages reach a connection whose handshake is done."""
        connection.ready = True
        self.kept(hub).add(connection)

    def release(self, hub: str, connection: Connection) -> None:
        self._open.pop((hub.lower(), connection.id), None)
        its_hub = self._hubs.get(hub.lower())
        if its_hub is not None:
            its_hub.remove(connection)
            if not its_hub.connections and not its_hub.lasting:
                del self._hubs[hub.lower()]

    def keep(self) -> None:
        """Ping, time out, expire; called about once a second."""
        now, epoch = time.monotonic(), time.time()
        for connection in tuple(self._open.values()):
            connection.keep(now, epoch)
        for name, hub in tuple(self._hubs.items()):
            hub.expire()
            if not hub.connections and not hub.lasting:
                del self._hubs[name]

    def close_all(self, reason: str) -> None:
        """Send everybody away to come back later."""
        for connection in tuple(self._open.values()):
            connection.close(reason, allow_reconnect=True)


def send(targets: Iterable[Connection], message: Message, excluded: Collection[str] = _NOBODY) -> None:
    """One message to every target. Connections that are cut meanwhile leave later, never inside this loop."""
    if excluded:
        targets = [connection for connection in targets if connection.id not in excluded]
    for connection in targets:
        connection.write(message[connection.protocol])


def close(targets: Iterable[Connection], reason: str | None, excluded: Collection[str] = _NOBODY) -> None:
    """Close the targets without inviting them back."""
    for connection in tuple(targets):
        if connection.id not in excluded:
            connection.close(reason)
