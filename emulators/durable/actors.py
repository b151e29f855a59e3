"""The instances that a session has in memory, and what it may keep of them.

Rules: an instance with work is never forgotten; of the idle ones those that were used last are kept, as far
as their histories fit; one that is over is forgotten at once. Everything here can be read again.
"""

from collections import OrderedDict

from emulators.durable.actor import Actor
from emulators.durable.execution import Execution
from emulators.durable.records import partition_of

# About what an idle instance takes besides its history, and by how much objects outweigh their JSON.
_OVERHEAD_BYTES = 2_000
_WEIGHT = 3


class Actors:
    """Instances by id, with a bound on the memory of the idle ones."""

    def __init__(self, partitions: int, most_bytes: int) -> None:
        self._partitions = partitions
        self._most_bytes = most_bytes
        self._actors: OrderedDict[str, Actor] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._actors)

    def of(self, instance_id: str) -> Actor:
        """The instance, new in memory if it was not there."""
        actor = self._actors.get(instance_id)
        if actor is None:
            actor = Actor(instance_id, partition_of(instance_id, self._partitions))
            self._actors[instance_id] = actor
        return actor

    def keep(self, actor: Actor, execution: Execution) -> None:
        """The instance's execution is this one, or it grew."""
        actor.execution = execution
        self._resize(actor.instance_id, _OVERHEAD_BYTES + _WEIGHT * execution.slim_bytes)

    def forget_execution(self, actor: Actor) -> None:
        """What is known of the execution is of no use any more."""
        actor.execution, actor.suspended = None, False
        self._resize(actor.instance_id, 0)

    def retire(self, actor: Actor) -> None:
        """The instance has nothing to do now."""
        if actor.driven or actor.pending:
            return
        if actor.execution is None:
            self._actors.pop(actor.instance_id, None)
            return
        self._actors.move_to_end(actor.instance_id)
        while self._bytes > self._most_bytes and self._evict_one():
            pass

    def _resize(self, instance_id: str, size: int) -> None:
        self._bytes += size - self._sizes.pop(instance_id, 0)
        if size:
            self._sizes[instance_id] = size

    def _evict_one(self) -> bool:
        for instance_id, actor in self._actors.items():
            if not actor.driven and not actor.pending:
                self.forget_execution(actor)
                del self._actors[instance_id]
                return True
        return False
