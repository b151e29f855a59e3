"""Duplicate detection: the message ids that a queue or topic was sent within its window."""

from emulators.messaging.store import Store

_FORGET_EVERY_S = 60.0


class MessageIds:
    """Message ids and when they were sent (seconds since 1970), oldest first."""

    def __init__(self) -> None:
        self._sent_at: dict[str, float] = {}
        self._forgotten_at = 0.0

    def take_up(self, known: dict[str, float]) -> None:
        """What the database holds."""
        self._sent_at = dict(sorted(known.items(), key=lambda item: item[1]))

    def note(self, store: Store, entity: int, message_id: str, now: float, window_s: float) -> bool:
        """Remember an id; false when it was sent within the last `window_s` seconds already."""
        self._forget(store, entity, now - window_s, now)
        if message_id in self._sent_at:
            return False
        self._sent_at[message_id] = now
        store.write().remember(entity, message_id, now)
        return True

    def _forget(self, store: Store, entity: int, oldest: float, now: float) -> None:
        while self._sent_at and next(iter(self._sent_at.values())) < oldest:
            del self._sent_at[next(iter(self._sent_at))]
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            store.write().forgotten[entity] = oldest
