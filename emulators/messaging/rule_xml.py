"""Rules as the service's XML: what the administration API reads and writes, and what is kept of changed rules.

Reference: https://learn.microsoft.com/rest/api/servicebus/create-rule
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from emulators.messaging.codec import Timestamp
from emulators.messaging.rules import CorrelationFilter, FalseFilter, Filter, Rule, SqlAction, SqlFilter, TrueFilter
from emulators.messaging.sql_tokens import SqlSyntaxError
from emulators.messaging.sql_values import Value

CONNECT = "{http://schemas.microsoft.com/netservices/2010/10/servicebus/connect}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_XSD = "http://www.w3.org/2001/XMLSchema"
_COMPATIBILITY_LEVEL = "20"
_SYSTEM = {
    "CorrelationId": "correlationid",
    "MessageId": "messageid",
    "To": "to",
    "ReplyTo": "replyto",
    "Label": "label",
    "SessionId": "sessionid",
    "ReplyToSessionId": "replytosessionid",
    "ContentType": "contenttype",
}
"""Elements of a correlation filter in the service's order, with the names that rules use."""
_INT64 = 1 << 63
_MAX_PROPERTIES = 200


class RuleError(Exception):
    """A rule that cannot be; the message says why."""


# --- reading --------------------------------------------------------------------------------------------------------


def read_rule(description: Element, name: str, created_at: float) -> Rule:
    """The rule of a RuleDescription. Raises RuleError."""
    condition, action = description.find(CONNECT + "Filter"), description.find(CONNECT + "Action")
    try:
        filter_ = TrueFilter() if condition is None else _read_filter(condition)
        return Rule(name, filter_, None if action is None else _read_action(action), created_at)
    except SqlSyntaxError as error:
        raise RuleError(str(error)) from error


def read_kept(description: Element) -> Rule:
    """A rule as `write_rule` wrote it. Raises RuleError."""
    created = datetime.fromisoformat(_text(description, "CreatedAt") or "1970-01-01T00:00:00Z")
    return replace(read_rule(description, _text(description, "Name"), 0.0), created_at=created.timestamp())


def _read_filter(element: Element) -> Filter:
    match _kind(element):
        case "TrueFilter":
            return TrueFilter()
        case "FalseFilter":
            return FalseFilter()
        case "SqlFilter":
            return SqlFilter.parse(_text(element, "SqlExpression"), _read_values(element.find(CONNECT + "Parameters")))
        case "CorrelationFilter":
            return _read_correlation(element)
        case kind:
            raise RuleError(f"'{kind}' is no filter.")


def _read_correlation(element: Element) -> CorrelationFilter:
    system = {name: text for tag, name in _SYSTEM.items() if (text := _text(element, tag))}
    user = _read_values(element.find(CONNECT + "Properties"))
    if not system and not user:
        raise RuleError("A correlation filter names at least one property.")
    return CorrelationFilter(system, user)


def _read_action(element: Element) -> SqlAction | None:
    match _kind(element):
        case "EmptyRuleAction":
            return None
        case "SqlRuleAction":
            return SqlAction.parse(_text(element, "SqlExpression"), _read_values(element.find(CONNECT + "Parameters")))
        case kind:
            raise RuleError(f"'{kind}' is no action.")


def _read_values(element: Element | None) -> dict[str, Value]:
    entries = [] if element is None else element.findall(CONNECT + "KeyValueOfstringanyType")
    if len(entries) > _MAX_PROPERTIES:
        raise RuleError(f"A rule has at most {_MAX_PROPERTIES} properties or parameters.")
    return {_text(entry, "Key"): _read_value(entry.find(CONNECT + "Value")) for entry in entries}


def _read_value(element: Element | None) -> Value:
    if element is None:
        return None
    kind, text = _kind(element) or "string", element.text or ""
    try:
        return _parse(kind, text)
    except (ValueError, OverflowError) as error:
        raise RuleError(f"{text[:50]!r} is no value of type '{kind}'.") from error


def _parse(kind: str, text: str) -> Value:
    match kind:
        case "string":
            return text
        case "boolean":
            return {"true": True, "1": True, "false": False, "0": False}.get(text) is True
        case "int" | "long" | "short" | "byte":
            number = int(text)
            if not -_INT64 <= number < _INT64:
                raise ValueError(text)
            return number
        case "double" | "float" | "decimal":
            return float(text)
        case "base64Binary":
            return b64decode(text, validate=True)
        case "dateTime":
            return Timestamp(datetime.fromisoformat(text).timestamp() * 1000)
        case _:
            raise ValueError(kind)


def _kind(element: Element) -> str:
    return element.get(_TYPE, "").rpartition(":")[2]


def _text(element: Element, tag: str) -> str:
    return element.findtext(CONNECT + tag) or ""


# --- writing --------------------------------------------------------------------------------------------------------


def write_rule(rule: Rule) -> Element:
    """The RuleDescription of a rule."""
    description = Element(CONNECT + "RuleDescription")
    _write_filter(SubElement(description, CONNECT + "Filter"), rule.filter)
    action = SubElement(description, CONNECT + "Action", {_TYPE: "SqlRuleAction" if rule.action else "EmptyRuleAction"})
    if rule.action is not None:
        _write_sql(action, rule.action.expression, rule.action.parameters)
    _add(description, "CreatedAt", datetime.fromtimestamp(rule.created_at, UTC).isoformat().replace("+00:00", "Z"))
    _add(description, "Name", rule.name)
    return description


def _write_filter(element: Element, filter_: Filter) -> None:
    element.set(_TYPE, type(filter_).__name__)
    match filter_:
        case CorrelationFilter():
            for tag, name in _SYSTEM.items():
                if name in filter_.system:
                    _add(element, tag, filter_.system[name])
            _write_values(SubElement(element, CONNECT + "Properties"), filter_.user)
        case SqlFilter():
            _write_sql(element, filter_.expression, filter_.parameters)
        case FalseFilter():
            _write_sql(element, "1=0", {})
        case _:
            _write_sql(element, "1=1", {})


def _write_sql(element: Element, expression: str, parameters: Mapping[str, Value]) -> None:
    _add(element, "SqlExpression", expression)
    _add(element, "CompatibilityLevel", _COMPATIBILITY_LEVEL)
    if parameters:
        _write_values(SubElement(element, CONNECT + "Parameters"), parameters)


def _write_values(element: Element, values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        entry = SubElement(element, CONNECT + "KeyValueOfstringanyType")
        _add(entry, "Key", name)
        kind, text = _typed(value)
        SubElement(entry, CONNECT + "Value", {_TYPE: f"d6p1:{kind}", "xmlns:d6p1": _XSD}).text = text


def _typed(value: Value) -> tuple[str, str]:
    match value:
        case bool():
            return "boolean", str(value).lower()
        case Timestamp():
            moment = datetime.fromtimestamp(value / 1000, UTC)
            return "dateTime", moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case int():
            return "int" if -(1 << 31) <= value < 1 << 31 else "long", str(value)
        case float():
            return "double", repr(value)
        case bytes():
            return "base64Binary", b64encode(value).decode()
        case _:
            return "string", "" if value is None else str(value)


def _add(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, CONNECT + tag).text = text
