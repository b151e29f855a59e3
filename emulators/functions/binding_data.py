"""Binding expressions, `{...}`: the values of a trigger, and how a path or name is made of them.

`{name}` is a name of the trigger's metadata, of its JSON object's members (`{order.id}` for a member of a member), of
a blob trigger's path or of an HTTP route; `{headers.x}` and `{query.x}` are those of a request; `{rand-guid}`,
`{DateTime}` and `{sys.…}` are always there, and `{{` is a brace
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-expressions-patterns).
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from emulators.functions.settings import SettingsError
from emulators.functions.worker import RpcHttp, TypedData

_TOKEN = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<name>[^{}]+)\}|(?P<text>[^{}]+)|(?P<unpaired>[{}])")
_TIME_PARTS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_TIME_PART = re.compile("|".join(_TIME_PARTS))
_DATE_TIME = "yyyy-MM-ddTHH-mm-ssZ"


class BindingError(Exception):
    """An expression names nothing that this invocation has."""


@dataclass(frozen=True)
class _Token:
    """An expression, or literal text."""

    value: str
    is_expression: bool


def _tokens(template: str) -> Iterator[_Token]:
    """Raises SettingsError for braces that do not pair, or hold nothing."""
    for match in _TOKEN.finditer(template):
        if match["unpaired"]:
            raise SettingsError(f"'{template}' is no valid binding expression: a brace needs a name and its pair")
        if match["name"]:
            yield _Token(match["name"].strip(), is_expression=True)
        else:
            yield _Token(match["text"] or match["brace"][0], is_expression=False)


def has_expressions(text: str) -> bool:
    """Raises SettingsError for braces that do not pair, or hold nothing."""
    tokens = list(_tokens(text))
    return any(token.is_expression for token in tokens)


class BindingData:
    """The values of one invocation; names have no case."""

    def __init__(self, function: str, trigger_input: object, metadata: Mapping[str, TypedData]) -> None:
        self._now = datetime.now(UTC)
        self._guid = uuid.uuid4()
        self._values: dict[str, Any] = {
            "sys": {"methodname": function, "utcnow": self._now.isoformat(), "randguid": str(self._guid)}
        }
        value = trigger_input.value if isinstance(trigger_input, TypedData) else None
        if isinstance(value, RpcHttp):
            self._add(_members(getattr(value.body, "value", None)) | dict(value.params))
            self._add({"headers": dict(value.headers), "query": dict(value.query)})
        else:
            self._add({name: _plain(one) for name, one in metadata.items()} | _members(value))

    def bind(self, template: str) -> str:
        """`template` with each expression replaced. Raises BindingError."""
        return "".join(self._value(token.value) if token.is_expression else token.value for token in _tokens(template))

    def _value(self, expression: str) -> str:
        name, _, form = expression.partition(":")
        if name.lower() == "rand-guid":
            return self._guid.hex if form.upper() == "N" else str(self._guid)
        if name.lower() == "datetime" and "datetime" not in self._values:
            return self._now.strftime(_TIME_PART.sub(lambda part: _TIME_PARTS[part[0]], form or _DATE_TIME))
        found: Any = self._values
        for part in [name.lower()] if name.lower() in self._values else name.lower().split("."):
            found = _lowered(found).get(part) if isinstance(found, dict) else None
        if found is None:
            raise BindingError(f"No value for named parameter '{expression}': the trigger does not have it")
        return found if isinstance(found, str) else orjson.dumps(found).decode()

    def _add(self, values: Mapping[str, Any]) -> None:
        self._values.update(_lowered(values))


def _lowered(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in values.items()}


def _plain(data: TypedData) -> Any:
    return orjson.loads(data.value) if data.WhichOneof("data") == "json" else data.value


def _members(content: object) -> dict[str, Any]:
    """Those of a JSON object; other content has none."""
    if not isinstance(content, str | bytes):
        return {}
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


class PathPattern:
    """A blob trigger's path; matching gives the values of its names, each the longest that fits, as the SDK does."""

    def __init__(self, path: str) -> None:
        """Raises SettingsError."""
        self._container, _, pattern = path.partition("/")
        tokens = list(_tokens(pattern))
        self._names = [token.value for token in tokens if token.is_expression]
        parts = ("(.*)" if token.is_expression else re.escape(token.value) for token in tokens)
        self._regex = re.compile("".join(parts) if tokens else ".*", re.DOTALL)

    def match(self, name: str) -> dict[str, str] | None:
        """The values of the names for a blob of the container; None when it does not fit."""
        found = self._regex.fullmatch(name)
        return None if found is None else dict(zip(self._names, found.groups(), strict=True))
