"""Requests and answers over a pair of links, as `$cbs` and `$management` use them (AMQP Management working draft)."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from emulators.messaging.codec import ULong, decode, encode, encode_described
from emulators.messaging.errors import AmqpError, Condition, DecodeError
from emulators.messaging.message import sections
from emulators.messaging.nodes import Settle, SourceLink
from emulators.messaging.performatives import Outcome, modified

_PROPERTIES, _APPLICATION, _VALUE = 0x73, 0x74, 0x77
_MAX_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """A decoded request; `headers` are its application properties."""

    id: str | bytes | UUID | ULong | None
    headers: dict[str, object]
    body: object

    def text(self, name: str) -> str:
        """A textual header, empty when absent."""
        value = self.headers.get(name)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def read_request(payload: bytes) -> Request:
    """Decode a request message. Raises DecodeError."""
    found: dict[int, object] = {}
    for code, start, _end in sections(payload):
        if code in (_PROPERTIES, _APPLICATION, _VALUE):
            found[code], _ = decode(payload, start)
    properties = found.get(_PROPERTIES)
    headers = found.get(_APPLICATION)
    if not isinstance(properties, list) or not isinstance(headers, dict):
        raise DecodeError("A request has no properties or no application properties.")
    return Request(
        _message_id(properties[0] if properties else None),
        {str(key): headers[key] for key in headers},
        found.get(_VALUE),
    )


def _message_id(value: object) -> str | bytes | UUID | ULong | None:
    """What the answer correlates with: an id of another type could not be answered, so the request is refused."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return ULong(value)
    if not isinstance(value, str | bytes | UUID | None):
        raise AmqpError(Condition.INVALID_FIELD, "A message-id has a type that cannot be one.")
    return value


def write_answer(request: Request, headers: Mapping[str, object], body: object) -> bytes:
    """Encode the answer that correlates with `request`."""
    return b"".join(
        (
            encode_described(_PROPERTIES, encode([None, None, None, None, None, request.id])),
            encode_described(_APPLICATION, encode(dict(headers))),
            encode_described(_VALUE, encode(body)),
        )
    )


class ReplySource:
    """A client's receiving link for answers; those that have no credit yet wait here."""

    def __init__(self, link: SourceLink) -> None:
        self._link = link
        self._waiting: deque[bytes] = deque()
        self._sent = 0

    def reply(self, payload: bytes) -> None:
        """Send when the client allows it; a client that never does loses the oldest answers."""
        self._waiting.append(payload)
        if len(self._waiting) > _MAX_WAITING:
            self._waiting.popleft()
        self.on_credit()

    def on_credit(self) -> None:
        while self._waiting and self._link.credit > 0:
            self._sent += 1
            self._link.send(self._sent.to_bytes(4), self._waiting.popleft(), settled=True)
        self._link.finish_drain()

    def on_outcome(self, tag: bytes, outcome: Outcome | None, settle: Settle) -> None:  # noqa: ARG002
        """Answers are sent settled; settling them again has no effect."""
        settle(modified(delivery_failed=False, undeliverable_here=False))

    def on_detach(self) -> None:
        self._waiting.clear()
