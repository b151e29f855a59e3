"""From an HTTP request to contract models: every refusal is precise and names the field.

Refused before a contract sees the body: another media type (415), a body over the route's limit (413), what is
not one JSON object in UTF-8, duplicate names, NaN and infinities, oversized integers, NUL characters (400).
"""

import json
import re
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Any, Final, Never
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from shared.domain.errors import InvalidRequestError, PayloadTooLargeError, UnsupportedMediaTypeError

MAX_KEY_CHARACTERS: Final = 255
MAX_WAIT_S: Final = 10.0
_MAX_INTEGER_DIGITS: Final = 18
_MOST_FAULTS: Final = 10
_JSON: Final = "application/json"
_UTF8: Final = frozenset({"", "utf-8", "utf8"})
_CODED: Final = ("", "identity")
_PATH_PARAMETER: Final = re.compile(r"\{\*?(\w+)\}")
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;="
# RFC 3986, 3.2.2: a name or an address in brackets, and a port.
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:[0-9]{0,5})?", re.ASCII)
_WAIT: Final = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?([0-9]{1,4})"?\s*(?=$|[,;])', re.IGNORECASE)
_KEY: Final = re.compile(r"[\x21\x23-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
# A string of RFC 9651, 3.3.3: quotes and backslashes in it are escaped.
_QUOTED_KEY: Final = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')
_ESCAPED: Final = re.compile(r"\\(.)")


def called_path(route: str, path: Mapping[str, str]) -> str:
    """The path that was called. Made from the route, because a URL has whatever a client wrote into Host."""
    shown = _PATH_PARAMETER.sub(lambda parameter: quote(path.get(parameter[1], ""), safe=_PATH_CHARACTERS), route)
    return f"/api/{shown}"


def require_host(headers: Mapping[str, str]) -> None:
    """Raises InvalidRequestError for a Host that no address can be (RFC 9112, 3.2)."""
    if not _HOST.fullmatch(headers.get("host", "")):
        raise InvalidRequestError("The Host header is malformed: send the host name of this API", field="Host")


class MissingHeaderError(InvalidRequestError):
    """A header that the route requires is not there, which is seen before anything of the request is read."""

    def __init__(self, name: str) -> None:
        super().__init__(f"This call needs an {name} header: send a new unique key with each new request", field=name)


class InvalidFieldsError(InvalidRequestError):
    """A request that breaks its contract: `field` is the first wrong one, `errors` has the others too."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        field, message = faults[0]
        super().__init__(f"{field}: {message}" if field else message, field=field or None)
        self.details = {**self.details, "errors": [{"field": name, "message": text} for name, text in faults]}


def read_body[Model: BaseModel](model: type[Model], raw: bytes, headers: Mapping[str, str], limit: int) -> Model:
    """The body as its contract. Raises the 400, 413 and 415 of `BrokerError`."""
    if headers.get("content-encoding", "").strip().lower() not in _CODED:
        raise UnsupportedMediaTypeError("Send the body without Content-Encoding")
    if not _is_json(headers.get("content-type", "")):
        raise UnsupportedMediaTypeError("Send the body as Content-Type: application/json, in UTF-8")
    if len(raw) > limit:
        raise PayloadTooLargeError(f"The body is over {limit} bytes: send less", limit_bytes=limit)
    _refuse_ambiguous(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidFieldsError(_faults(error)) from None


def _is_json(content_type: str) -> bool:
    """Whether it is JSON in UTF-8, which is JSON's only encoding; other parameters mean nothing here (RFC 8259)."""
    if content_type == _JSON:
        return True
    header = Message()
    header["content-type"] = content_type
    charset = header.get_param("charset", "")
    return header.get_content_type() == _JSON and isinstance(charset, str) and charset.lower() in _UTF8


def read_query[Model: BaseModel](model: type[Model], params: Mapping[str, str]) -> Model:
    """The query string as its contract. Raises InvalidRequestError."""
    empty = [(name, "give a value, or leave it out") for name, value in params.items() if not value]
    known = {field.alias or name for name, field in model.model_fields.items()}
    if empty and all(name in known for name, _ in empty):
        raise InvalidFieldsError(empty[:_MOST_FAULTS])
    try:
        return model.model_validate(dict(params))
    except ValidationError as error:
        raise InvalidFieldsError(_faults(error)) from None


def read_idempotency_key(headers: Mapping[str, str], *, required: bool) -> str | None:
    """The key, 1 to 255 printable ASCII characters: bare, or as a string of RFC 9651 in quotes, which may hold commas.

    Raises InvalidRequestError.
    """
    key = headers.get("idempotency-key")
    if key is None:
        if required:
            raise MissingHeaderError("Idempotency-Key")
        return None
    quoted = _QUOTED_KEY.fullmatch(key)
    if quoted:
        return _ESCAPED.sub(r"\1", quoted[1])
    if "," in key:  # the host joins repeated headers with commas
        raise InvalidRequestError(
            "Send one Idempotency-Key; one with a comma must be in double quotes", field="Idempotency-Key"
        )
    if not _KEY.fullmatch(key):
        raise InvalidRequestError(
            f"Idempotency-Key must be 1 to {MAX_KEY_CHARACTERS} printable ASCII characters, no space at either end "
            "unless it is in double quotes",
            field="Idempotency-Key",
        )
    return key


def read_prefer_wait(headers: Mapping[str, str]) -> float:
    """Seconds of `Prefer: wait=N` (RFC 7240), at most MAX_WAIT_S; 0 without one that can be honoured."""
    prefer = headers.get("prefer")
    if prefer is None:
        return 0.0
    found = _WAIT.search(prefer)
    return min(float(found[1]), MAX_WAIT_S) if found else 0.0


def _refuse_ambiguous(raw: bytes) -> None:
    """What parsers read differently, or not at all, is refused here; the contract reads the bytes afterwards."""
    try:
        value = _SCANNER.decode(raw.decode())
    except UnicodeDecodeError:
        raise InvalidRequestError("The body is not UTF-8: encode it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise InvalidRequestError(
            "The body is nested too deeply: send it as documented in GET /api/openapi.json"
        ) from None
    if not isinstance(value, dict):
        raise InvalidRequestError("The body must be a JSON object")
    if rb"\u0000" in raw:
        _refuse_nul(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequestError(f"{_shown(twice)} appears twice in one object: send it once", field=_shown(twice))
    return members


def _refuse_constant(text: str) -> Never:
    raise InvalidRequestError(f"The body is not JSON: {text} is not a JSON value")


def _bounded_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        raise InvalidRequestError(f"The body has an integer of more than {_MAX_INTEGER_DIGITS} digits")
    return int(text)


_SCANNER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_bounded_integer
)


def _refuse_nul(value: object) -> None:
    for name, text in _strings(value, ""):
        if "\0" in text:
            raise InvalidRequestError("NUL characters are not allowed: remove them", field=_shown(name) or None)


def _strings(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key, key
            yield from _strings(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, name)


def _faults(error: ValidationError) -> list[tuple[str, str]]:
    entries = error.errors(include_url=False, include_input=False)
    return [(_shown(".".join(map(str, entry["loc"]))), _message(entry["type"], entry["msg"])) for entry in entries][
        :_MOST_FAULTS
    ]


def _message(kind: str, text: str) -> str:
    if kind == "extra_forbidden":
        return "this field is not known"
    return text.removeprefix("Value error, ")


def _shown(name: str) -> str:
    """A name that the client sent, made safe to return: bounded, and printable ASCII only."""
    return name[:64].encode("ascii", "backslashreplace").decode().replace("\0", "\\x00")
