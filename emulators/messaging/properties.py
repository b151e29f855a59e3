"""A message's properties as rules read and change them, without touching its body.

System properties: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messages-payloads
"""

from dataclasses import replace
from uuid import UUID

from emulators.messaging.codec import (
    Long,
    Symbol,
    decode,
    encode,
    encode_described,
    encode_list,
    encode_pairs,
    skip,
)
from emulators.messaging.errors import AmqpError
from emulators.messaging.message import (
    ENQUEUED_SEQUENCE,
    Incoming,
    annotated,
    around_application_properties,
    raw_pairs,
    read_identifier,
    sections,
)
from emulators.messaging.sql_values import FilterError, Value

_PROPERTIES, _APPLICATION = 0x73, 0x74
_FIELDS = {
    "messageid": 0,
    "to": 2,
    "label": 3,
    "subject": 3,
    "replyto": 4,
    "correlationid": 5,
    "contenttype": 6,
    "sessionid": 10,
    "replytosessionid": 12,
}
"""Names in lower case and their places in the properties section (OASIS AMQP 1.0 part 3.2.4)."""
_SYMBOLS = frozenset({6})
_FIELD_COUNT = 13
_PARTITION_KEY = "x-opt-partition-key"
_NULL = b"\x40"


class MessageProperties:
    """Reads lazily and keeps encoded what it does not change. Raises DecodeError for sections that are malformed."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        bare = incoming.content.bare
        self._system = _raw_fields(bare)
        _, pairs, self._body = around_application_properties(bare)
        self._user = {_text(key).lower(): (_text(key), pair) for key, pair in pairs}

    # --- sql_values.Properties --------------------------------------------------------------------------------------

    def system(self, name: str) -> Value:
        lowered = name.lower()
        if lowered == "partitionkey":
            return self._annotation(_PARTITION_KEY)
        if lowered == "timetolive":
            ttl_ms = self._incoming.content.ttl_ms
            return None if ttl_ms is None else ttl_ms / 1000
        return _value(decode(self._system[_field(name)])[0])

    def user(self, name: str) -> Value:
        found = self._user.get(name.lower())
        if found is None:
            return None
        _, after_key = decode(found[1])
        return _value(decode(found[1], after_key)[0])

    def exists(self, name: str) -> bool:
        return name.lower() in self._user

    def _annotation(self, name: str) -> Value:
        content = self._incoming.content
        for key, pair in raw_pairs(encode_pairs(content.annotations, content.annotation_items)):
            if key == name:
                return _value(decode(pair, skip(pair, 0))[0])
        return None

    # --- changes ----------------------------------------------------------------------------------------------------

    def set_system(self, name: str, value: Value) -> None:
        """Raises FilterError for a property that rules cannot set, or a value that is no string."""
        if value is not None and not isinstance(value, str):
            raise FilterError(f"'sys.{name}' takes a string.")
        field = _field(name)
        self._system[field] = encode(Symbol(value) if value is not None and field in _SYMBOLS else value)

    def set_user(self, name: str, value: Value) -> None:
        known = self._user.get(name.lower())
        written = known[0] if known is not None else name
        encoded = encode(Long(value) if type(value) is int else value)
        self._user[name.lower()] = (written, encode(written) + encoded)

    def remove_user(self, name: str) -> None:
        self._user.pop(name.lower(), None)

    def changed(self) -> Incoming:
        """The message with what was set and removed. Raises FilterError."""
        pairs = [pair for _, pair in self._user.values()]
        application = encode_described(_APPLICATION, encode_pairs(b"".join(pairs), 2 * len(pairs))) if pairs else b""
        properties = encode_described(_PROPERTIES, encode_list(self._system))
        content = replace(self._incoming.content, bare=properties + application + self._body)
        try:
            return Incoming(
                content,
                message_id=read_identifier(self.system("MessageId")),
                session_id=read_identifier(self.system("SessionId")),
                scheduled_at=self._incoming.scheduled_at,
            )
        except AmqpError as error:
            raise FilterError(error.description) from error


def routed(incoming: Incoming, enqueued_sequence: int) -> Incoming:
    """The message as a subscription keeps it: with the number that it was given where it was sent first."""
    content = annotated(incoming.content, ENQUEUED_SEQUENCE, Long(enqueued_sequence))
    return replace(incoming, content=content)


def _raw_fields(bare: bytes) -> list[bytes]:
    """The encoded elements of the properties section, padded with nulls."""
    fields: list[bytes] = []
    for code, start, end in sections(bare):
        if code == _PROPERTIES and bare[start] != 0x45:
            position = start + (3 if bare[start] == 0xC0 else 9)
            while position < end:
                after = skip(bare, position)
                fields.append(bare[position:after])
                position = after
    return fields + [_NULL] * (_FIELD_COUNT - len(fields))


def _field(name: str) -> int:
    field = _FIELDS.get(name.lower())
    if field is None:
        raise FilterError(f"'sys.{name}' is not a system property that rules know.")
    return field


def _value(value: object) -> Value:
    if isinstance(value, Symbol):
        return str(value)
    if value is None or isinstance(value, str | int | float | bytes | UUID):
        return value
    raise FilterError(f"A property of type {type(value).__name__} has no meaning in rules.")


def _text(key: object) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)
