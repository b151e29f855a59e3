"""Sessions: messages with one session id go in order to the one receiver that holds the session's lock.

Closing the receiver gives the session back at once and leaves delivery counts alone; losing the lock raises them
(https://learn.microsoft.com/azure/service-bus-messaging/message-sessions#impact-of-delivery-count).
"""

import asyncio
import time
from collections import deque

from emulators.messaging.errors import AmqpError, Condition
from emulators.messaging.lines import Line, Receiver, Session
from emulators.messaging.records import Message, Status
from emulators.messaging.store import Store
from emulators.messaging.subqueue import ContentCache, OnDeadLetter, SubQueue


class SessionSubQueue(SubQueue):
    """A sub-queue whose messages are received session by session."""

    def __init__(
        self,
        store: Store,
        cache: ContentCache,
        *,
        lock_duration_s: float,
        max_delivery_count: int,
        dead_letter: OnDeadLetter | None,
    ) -> None:
        super().__init__(
            store,
            cache,
            lock_duration_s=lock_duration_s,
            max_delivery_count=max_delivery_count,
            dead_letter=dead_letter,
        )
        self.sessions: dict[str, Session] = {}
        self._held: dict[Receiver, Session] = {}
        self._ready: dict[str, None] = {}
        self._waiting: deque[tuple[Receiver, asyncio.Future[Session]]] = deque()

    # --- the session's messages -------------------------------------------------------------------------------------

    def line_of(self, message: Message) -> Line:
        return self._session(message.session_id or "").line

    def _session(self, session_id: str) -> Session:
        session = self.sessions.get(session_id)
        if session is None:
            session = self.sessions[session_id] = Session(session_id)
        return session

    def add(self, message: Message) -> None:
        if message.state.lock_token is not None:
            # Found at start: the session's receiver is gone with the server that it was attached to.
            self.messages[message.sequence] = message
            self.fail(message)
        else:
            super().add(message)
        self._session_changed(message.session_id or "")

    def take_out(self, message: Message) -> None:
        super().take_out(message)
        self._session_changed(message.session_id or "")

    def unlock(self, message: Message, *, failed: bool = False, status: Status | None = None) -> None:
        super().unlock(message, failed=failed, status=status)
        self._session_changed(message.session_id or "")

    def _session_changed(self, session_id: str) -> None:
        """Keep the list of sessions that wait for a receiver, in the order in which they became ready."""
        session = self.sessions.get(session_id)
        if session is None:
            return  # nothing of it is deliverable: its only messages are scheduled or deferred
        if session.owner is None and session.line:
            self._ready.setdefault(session_id)
        else:
            self._ready.pop(session_id, None)
        if session.owner is None and not session.line:
            del self.sessions[session_id]

    def pump(self) -> None:
        if self._store.away:
            return
        self._offer_sessions()
        assigned = []
        for receiver, session in self._held.items():
            while session.line and receiver.capacity > 0:
                assigned.append(self._assign(receiver, session.line.pop()))
        self._send_after_commit(assigned)

    # --- the session's lock -----------------------------------------------------------------------------------------

    def accept(self, session_id: str, receiver: Receiver) -> Session:
        """Lock one session for `receiver`. Raises AmqpError (session-cannot-be-locked)."""
        session = self._session(session_id)
        if session.owner is not None:
            raise AmqpError(
                Condition.SESSION_CANNOT_BE_LOCKED,
                f"The requested session '{session_id}' cannot be accepted. It may be locked by another receiver.",
            )
        self._take(session, receiver)
        return session

    async def accept_next(self, receiver: Receiver, timeout_s: float) -> Session:
        """Lock the session that has waited longest, waiting for one. Raises AmqpError (timeout)."""
        future: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        waiter = (receiver, future)
        self._waiting.append(waiter)
        self._offer_sessions()
        session: Session | None = None
        try:
            async with asyncio.timeout(timeout_s):
                session = await future
        except TimeoutError as error:
            raise AmqpError(Condition.TIMEOUT, "The operation did not complete within the allotted timeout.") from error
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            if session is None:
                # One may have been given in the very turn in which the wait ended.
                self.release(receiver)
        return session

    def _offer_sessions(self) -> None:
        while self._ready and self._waiting:
            receiver, future = self._waiting.popleft()
            if not future.done():
                session = self.sessions[next(iter(self._ready))]
                self._take(session, receiver)
                future.set_result(session)

    def _take(self, session: Session, receiver: Receiver) -> None:
        session.owner = receiver
        self._held[receiver] = session
        self._ready.pop(session.id, None)
        self._extend(session)

    def _extend(self, session: Session) -> None:
        session.locked_until = time.time() + self.lock_duration_s
        if session.timer is not None:
            session.timer.cancel()
        loop = asyncio.get_running_loop()
        session.timer = loop.call_later(self.lock_duration_s, self._on_session_expired, session)

    def renew_session(self, session_id: str) -> float:
        """Extend the session's lock; returns its end in seconds since 1970. Raises AmqpError (session-lock-lost)."""
        session = self.owned(session_id)
        self._extend(session)
        return session.locked_until

    def owned(self, session_id: str) -> Session:
        """A session that somebody holds. Raises AmqpError (session-lock-lost)."""
        session = self.sessions.get(session_id)
        if session is None or session.owner is None:
            raise AmqpError(
                Condition.SESSION_LOCK_LOST,
                f"The session lock was lost. Request a new session receiver for '{session_id}'.",
            )
        return session

    def release(self, receiver: Receiver) -> None:
        """The receiver was closed: its session, if it holds one, is free at once."""
        session = self._held.get(receiver)
        if session is not None:
            self._free(session, failed=False)

    def _on_session_expired(self, session: Session) -> None:
        owner = session.owner
        if owner is None:
            return
        self._free(session, failed=True)
        owner.close(
            AmqpError(
                Condition.SESSION_LOCK_LOST,
                "The session lock has expired. Accept a new session.",
            )
        )

    def _free(self, session: Session, *, failed: bool) -> None:
        if session.timer is not None:
            session.timer.cancel()
        if session.owner is not None:
            del self._held[session.owner]
            session.owner = None
        for sequence in sorted(session.locked):
            message = self.messages[sequence]
            if failed:
                self.fail(message)
            else:
                self.unlock(message)
        if session.id in self.sessions:
            self._session_changed(session.id)
        self.pump()

    # --- the end ----------------------------------------------------------------------------------------------------

    def hang_up(self, error: AmqpError) -> None:
        for receiver in list(self._held):
            receiver.close(error)
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)

    def close(self, error: AmqpError) -> None:
        super().close(error)
        self.sessions.clear()
        self._ready.clear()

    # --- message locks follow the session's -------------------------------------------------------------------------

    def lock_end(self, message: Message) -> float:
        session = self.sessions.get(message.session_id or "")
        return time.time() if session is None else session.locked_until

    def _watch_lock(self, message: Message) -> None:
        self._session(message.session_id or "").locked.add(message.sequence)

    def _forget_lock(self, message: Message) -> None:
        super()._forget_lock(message)
        session = self.sessions.get(message.session_id or "")
        if session is not None:
            session.locked.discard(message.sequence)
