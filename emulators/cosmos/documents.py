"""Documents: read with bounds, with numbers as doubles, stored as the bytes that are answered.

`\\u0000` stays an escape in these bytes, so every string that JSON can hold is kept as it came.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from emulators.cosmos.errors import CosmosError, bad_request
from emulators.cosmos.limits import MAX_DEPTH, MAX_ID_BYTES, MAX_ITEM_BYTES, MAX_TTL_S
from emulators.cosmos.partitions import Key, key_value
from emulators.cosmos.values import UNDEFINED, Value, number

type Document = dict[str, Value]

SYSTEM_PROPERTIES: Final = ("_rid", "_self", "_etag", "_attachments", "_ts")
_NOT_IN_IDS = frozenset("/\\?#\0")


def read_json(body: bytes) -> Value:
    """The body's value, with numbers as the service keeps them. Raises CosmosError."""
    try:
        return normalised(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The request's body is not valid JSON: {error}") from error
    except ValueError as error:
        raise bad_request(str(error)) from error


def read_object(body: bytes) -> Document:
    """The body's object. Raises CosmosError."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise bad_request("The request's body must be a JSON object.")
    return value


def normalised(value: Value, depth: int = MAX_DEPTH) -> Value:
    """The same with numbers as doubles. Raises ValueError when it is nested too deep."""
    if depth == 0:
        raise ValueError(f"The document is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, dict):
        return {name: normalised(one, depth - 1) for name, one in value.items()}
    if isinstance(value, list):
        return [normalised(one, depth - 1) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return value


def check_id(value: Value) -> str:
    """The id of a document, which must fit into an address. Raises CosmosError."""
    if not isinstance(value, str) or not value:
        raise bad_request("The input content is invalid because the required properties - 'id; ' - are missing.")
    if len(value.encode()) > MAX_ID_BYTES:
        raise bad_request(f"The input name is longer than {MAX_ID_BYTES} bytes.")
    if _NOT_IN_IDS.intersection(value) or value.endswith(" "):
        raise bad_request("The input name contains '/', '\\', '?', '#' or NUL, or ends with a space.")
    return value


def check_item(document: Document) -> str:
    """The id of a document that is to be written. Raises CosmosError."""
    ttl = document.get("ttl", 1)
    if ttl != -1 and not (type(ttl) is int and 0 < ttl <= MAX_TTL_S):
        raise bad_request("The input ttl '{}' is invalid. It must be -1 or a positive integer.".format(document["ttl"]))
    return check_id(document.get("id", UNDEFINED))


def at(document: Value, path: Sequence[str]) -> Value:
    """What a path of members reaches; UNDEFINED when it reaches nothing."""
    for name in path:
        document = document.get(name, UNDEFINED) if isinstance(document, dict) else UNDEFINED
    return document


def key_of(document: Document, paths: Sequence[Sequence[str]]) -> Key:
    """The partition key that a document has. Raises CosmosError."""
    return tuple(key_value(at(document, path)) for path in paths)


def stored(document: Document, system: dict[str, Any]) -> bytes:
    """The bytes of a document with its system properties, which replace what a client sent. Raises CosmosError."""
    own = {name: value for name, value in document.items() if name not in SYSTEM_PROPERTIES}
    body = orjson.dumps(own | system)
    if len(body) > MAX_ITEM_BYTES:
        raise CosmosError(413, f"Request size is too large: an item has at most {MAX_ITEM_BYTES} bytes.")
    return body
