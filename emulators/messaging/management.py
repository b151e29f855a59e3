"""Operations at `{entity}/$management`, as the Service Bus SDKs request them.

Reference: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog

from emulators.messaging.codec import Array, Int, Long, Symbol, Timestamp
from emulators.messaging.errors import AmqpError, Condition, DecodeError
from emulators.messaging.lines import Session
from emulators.messaging.message import read_message
from emulators.messaging.nodes import Peer, Settle, SinkLink, Source, SourceLink
from emulators.messaging.performatives import ACCEPTED
from emulators.messaging.queues import Queue
from emulators.messaging.requests import ReplySource, Request, read_request, write_answer
from emulators.messaging.rule_management import add_rule, enumerate_rules, remove_rule
from emulators.messaging.sessions import SessionSubQueue
from emulators.messaging.settlement import ABANDONED, COMPLETED, DEFERRED, apply, dead_lettered
from emulators.messaging.store import Store
from emulators.messaging.subqueue import SubQueue

_log = structlog.get_logger(__name__)
SUFFIX = "/$management"
_VENDOR = "com.microsoft:"
_MAX_PEEK = 250
_MAX_PEEK_BYTES = 1 << 20
_STATUS = {
    Condition.MESSAGE_LOCK_LOST: 410,
    Condition.SESSION_LOCK_LOST: 410,
    Condition.NOT_FOUND: 404,
    Condition.MESSAGE_NOT_FOUND: 404,
    Condition.UNAUTHORIZED: 401,
    Condition.RESOURCE_LIMIT: 403,
    Condition.SERVER_BUSY: 503,
    Condition.NOT_IMPLEMENTED: 501,
    Condition.ALREADY_EXISTS: 409,
}


@dataclass(frozen=True, slots=True)
class _Call:
    """One request and where it is to be carried out."""

    store: Store
    queue: Queue
    part: SubQueue
    peer: Peer
    request: Request
    body: Mapping[object, object]

    def integers(self, name: str) -> list[int]:
        values = self.body.get(name)
        if not isinstance(values, list) or not all(isinstance(value, int) for value in values):
            raise AmqpError(Condition.ARGUMENT_ERROR, f"'{name}' is not an array of integers.")
        return values

    def integer(self, name: str, default: int) -> int:
        value = self.body.get(name, default)
        if not isinstance(value, int):
            raise AmqpError(Condition.ARGUMENT_ERROR, f"'{name}' is not an integer.")
        return value

    def text(self, name: str) -> str | None:
        value = self.body.get(name)
        return value if isinstance(value, str) else None

    def tokens(self) -> list[UUID]:
        values = self.body.get("lock-tokens")
        if not isinstance(values, list) or not all(isinstance(value, UUID) for value in values):
            raise AmqpError(Condition.ARGUMENT_ERROR, "'lock-tokens' is not an array of UUIDs.")
        return values

    def payloads(self) -> list[bytes]:
        entries = self.body.get("messages")
        found = [entry.get("message") if isinstance(entry, dict) else None for entry in _list(entries)]
        payloads = [payload for payload in found if isinstance(payload, bytes)]
        if not payloads or len(payloads) < len(found):
            raise AmqpError(Condition.ARGUMENT_ERROR, "'messages' is not a list of maps with an encoded message each.")
        return payloads

    def session(self) -> tuple[SessionSubQueue, Session]:
        """The session named in the request, held by the link that the request is associated with."""
        session_id = self.text("session-id")
        if session_id is None or not isinstance(self.part, SessionSubQueue):
            raise AmqpError(Condition.NOT_ALLOWED, "The entity has no sessions, or the request names none.")
        session = self.part.owned(session_id)
        link_name = self.request.text("associated-link-name")
        holder: object = session.owner
        if link_name and self.peer.source_of(link_name) is not holder:
            raise AmqpError(Condition.SESSION_LOCK_LOST, "The session is locked by another receiver.")
        return self.part, session


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


type _Operation = Callable[[_Call], Awaitable[dict[object, object] | None]]


async def _renew_lock(call: _Call) -> dict[object, object]:
    ends = [call.part.renew(token) for token in call.tokens()]
    await call.store.committed()
    return {"expirations": Array([Timestamp(end * 1000) for end in ends])}


async def _renew_session_lock(call: _Call) -> dict[object, object]:
    part, session = call.session()
    return {"expiration": Timestamp(part.renew_session(session.id) * 1000)}


async def _get_session_state(call: _Call) -> dict[object, object]:
    _, session = call.session()
    return {"session-state": call.queue.session_states.get(session.id)}


async def _set_session_state(call: _Call) -> dict[object, object]:
    _, session = call.session()
    state = call.body.get("session-state")
    if state is not None and not isinstance(state, bytes):
        raise AmqpError(Condition.ARGUMENT_ERROR, "'session-state' is not binary.")
    call.queue.set_session_state(session.id, state)
    await call.store.committed()
    return {}


async def _list_sessions(call: _Call) -> dict[object, object] | None:
    if not isinstance(call.part, SessionSubQueue):
        raise AmqpError(Condition.NOT_ALLOWED, "The entity has no sessions.")
    skip = call.integer("skip", 0)
    ids = sorted(call.part.sessions.keys() | call.queue.session_states.keys())[skip : skip + call.integer("top", 100)]
    return {"skip": Int(skip + len(ids)), "sessions-ids": Array([Symbol(name) for name in ids])} if ids else None


async def _peek(call: _Call) -> dict[object, object] | None:
    count = min(call.integer("message-count", 1), _MAX_PEEK)
    messages = call.part.browse(call.integer("from-sequence-number", 0), count, call.text("session-id"))
    contents = await call.part.load(messages)
    found: list[object] = []
    size = 0
    for message in messages:
        content = contents.get(message.sequence)
        if content is not None and (not found or size + content.size <= _MAX_PEEK_BYTES):
            size += content.size
            found.append({"message": call.queue.encode(message, content)})
    return {"messages": found} if found else None


async def _receive_deferred(call: _Call) -> dict[object, object]:
    peek_lock = call.integer("receiver-settle-mode", 1) == 1
    messages = [call.part.deferred(sequence) for sequence in call.integers("sequence-numbers")]
    contents = await call.part.load(messages)
    found: list[object] = []
    for message in messages:
        call.part.deferred(message.sequence)
        entry: dict[object, object] = {}
        if peek_lock:
            entry["lock-token"] = call.part.lock(message)
        entry["message"] = call.queue.encode(message, contents[message.sequence])
        if not peek_lock:
            call.part.remove(message)
        found.append(entry)
    await call.store.committed()
    return {"messages": found}


async def _update_disposition(call: _Call) -> dict[object, object]:
    outcomes = {
        "completed": COMPLETED,
        "abandoned": ABANDONED,
        "defered": DEFERRED,
        "suspended": dead_lettered(call.text("deadletter-reason"), call.text("deadletter-description")),
    }
    outcome = outcomes.get(call.text("disposition-status") or "")
    if outcome is None:
        raise AmqpError(Condition.ARGUMENT_ERROR, "'disposition-status' is not known.")
    if isinstance(call.part, SessionSubQueue):
        call.session()
    messages = [call.part.locked(token) for token in call.tokens()]
    for message in messages:
        apply(call.part, message, outcome)
    await call.store.committed()
    return {}


async def _schedule(call: _Call) -> dict[object, object]:
    if not call.queue.sendable:
        raise AmqpError(Condition.NOT_ALLOWED, "Messages cannot be sent to a subscription.")
    sequences = call.queue.send([read_message(payload) for payload in call.payloads()])
    await call.store.committed()
    return {"sequence-numbers": Array([Long(sequence) for sequence in sequences])}


async def _cancel_scheduled(call: _Call) -> dict[object, object]:
    call.queue.cancel_scheduled(call.integers("sequence-numbers"))
    await call.store.committed()
    return {}


async def _add_rule(call: _Call) -> dict[object, object]:
    answer = add_rule(call.queue, call.body)
    await call.store.committed()
    return answer


async def _remove_rule(call: _Call) -> dict[object, object]:
    answer = remove_rule(call.queue, call.body)
    await call.store.committed()
    return answer


async def _enumerate_rules(call: _Call) -> dict[object, object] | None:
    return enumerate_rules(call.queue, call.integer("skip", 0), call.integer("top", 100))


_OPERATIONS: dict[str, _Operation] = {
    "renew-lock": _renew_lock,
    "renew-session-lock": _renew_session_lock,
    "get-session-state": _get_session_state,
    "set-session-state": _set_session_state,
    "get-message-sessions": _list_sessions,
    "peek-message": _peek,
    "receive-by-sequence-number": _receive_deferred,
    "update-disposition": _update_disposition,
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel_scheduled,
    "add-rule": _add_rule,
    "remove-rule": _remove_rule,
    "enumerate-rules": _enumerate_rules,
}


class ManagementNode:
    """The node at `{entity}/$management`."""

    def __init__(self, store: Store, queue: Queue, part: SubQueue) -> None:
        self._store = store
        self._queue = queue
        self._part = part

    async def attach_sink(self, link: SinkLink) -> "ManagementSink":
        return ManagementSink(self._store, self._queue, self._part, link)

    async def attach_source(self, link: SourceLink) -> tuple[Source, dict[object, object], dict[object, object]]:
        return ReplySource(link), {}, {}


class ManagementSink:
    """Takes requests; each is carried out by a task of its own and answered on the same session."""

    def __init__(self, store: Store, queue: Queue, part: SubQueue, link: SinkLink) -> None:
        self._store = store
        self._queue = queue
        self._part = part
        self._link = link
        self._tasks: set[asyncio.Task[None]] = set()

    def on_message(self, payload: bytes, message_format: int, settle: Settle) -> None:  # noqa: ARG002
        request = read_request(payload)
        if not isinstance(request.body, dict):
            raise DecodeError("A management request has no map for a body.")
        settle(ACCEPTED)
        call = _Call(self._store, self._queue, self._part, self._link.peer, request, request.body)
        task = asyncio.create_task(self._answer(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, call: _Call) -> None:
        try:
            body = await _carry_out(call)
            headers = _headers(200, "OK") if body is not None else _headers(204, "No Content")
        except AmqpError as error:
            body = {}
            headers = _headers(_STATUS.get(error.condition, 400), error.description, error.condition)
        except Exception:  # noqa: BLE001 - a client must never wait in vain for the answer
            _log.exception("A management operation failed", operation=call.request.text("operation"))
            body = {}
            headers = _headers(500, "The server failed on this request.", Condition.INTERNAL_ERROR)
        reply = self._link.peer.reply_source(self._link.address)
        if isinstance(reply, ReplySource):
            reply.reply(write_answer(call.request, headers, {} if body is None else body))

    def on_detach(self) -> None:
        """Operations under way end by themselves; their answers find no link."""


async def _carry_out(call: _Call) -> dict[object, object] | None:
    name = call.request.text("operation").removeprefix(_VENDOR)
    operation = _OPERATIONS.get(name)
    if operation is None:
        raise AmqpError(Condition.NOT_IMPLEMENTED, f"The operation '{name}' is not supported.")
    return await operation(call)


def _headers(status: int, description: str, condition: Condition | None = None) -> dict[str, object]:
    headers: dict[str, object] = {"statusCode": Int(status), "statusDescription": description}
    if condition is not None:
        headers["errorCondition"] = Symbol(condition)
    return headers
