"""Rule operations at `{subscription}/$management`.

Reference: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response#rule-operations
"""

import time
from collections.abc import Mapping

from emulators.messaging.codec import Described, Long, ULong
from emulators.messaging.errors import AmqpError, Condition
from emulators.messaging.queues import Queue
from emulators.messaging.rules import CorrelationFilter, FalseFilter, Filter, Rule, SqlAction, SqlFilter, TrueFilter
from emulators.messaging.sql_tokens import SqlSyntaxError
from emulators.messaging.sql_values import Value
from emulators.messaging.topics import Subscription

_RULE, _NO_ACTION, _ACTION = 0x13700000004, 0x13700000005, 0x13700000006
_SQL, _TRUE, _FALSE, _CORRELATION = 0x1370000006, 0x1370000007, 0x1370000008, 0x1370000009
_COMPATIBILITY_LEVEL = 20
_WIRE_NAMES = {
    "correlation-id": "correlationid",
    "message-id": "messageid",
    "to": "to",
    "reply-to": "replyto",
    "label": "label",
    "session-id": "sessionid",
    "reply-to-session-id": "replytosessionid",
    "content-type": "contenttype",
}
"""Fields of a correlation filter in wire order, with the names that rules use."""

type Fields = Mapping[object, object]


def add_rule(queue: Queue, body: Fields) -> dict[object, object]:
    """Raises AmqpError."""
    description = body.get("rule-description")
    if not isinstance(description, dict):
        raise AmqpError(Condition.ARGUMENT_ERROR, "'rule-description' is not a map.")
    action = description.get("sql-rule-action")
    try:
        rule = Rule(
            _text(body, "rule-name"),
            _read_filter(description),
            SqlAction.parse(_text(action, "expression")) if isinstance(action, dict) and action else None,
            time.time(),
        )
    except SqlSyntaxError as error:
        raise AmqpError(Condition.ARGUMENT_ERROR, str(error)) from error
    _subscription(queue).add_rule(rule)
    return {}


def remove_rule(queue: Queue, body: Fields) -> dict[object, object]:
    """Raises AmqpError."""
    _subscription(queue).remove_rule(_text(body, "rule-name"))
    return {}


def enumerate_rules(queue: Queue, skip: int, top: int) -> dict[object, object] | None:
    """One page of rules by name; None when there are no more. Raises AmqpError."""
    rules = [rule for _, rule in sorted(_subscription(queue).rules.items())][max(skip, 0) : max(skip, 0) + max(top, 0)]
    return {"rules": [{"rule-description": _written(rule)} for rule in rules]} if rules else None


def _subscription(queue: Queue) -> Subscription:
    if not isinstance(queue, Subscription):
        raise AmqpError(Condition.NOT_ALLOWED, "Only subscriptions have rules.")
    return queue


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise AmqpError(Condition.ARGUMENT_ERROR, f"'{name}' is not a string.")
    return value


def _read_filter(description: Fields) -> Filter:
    sql, correlation = description.get("sql-filter"), description.get("correlation-filter")
    if isinstance(sql, dict):
        return _sql_filter(_text(sql, "expression"))
    if not isinstance(correlation, dict):
        raise AmqpError(Condition.ARGUMENT_ERROR, "A rule has a sql-filter or a correlation-filter.")
    system = {name: _text(correlation, wire) for wire, name in _WIRE_NAMES.items() if correlation.get(wire) is not None}
    user = correlation.get("properties") or {}
    if not isinstance(user, dict) or not (system or user):
        raise AmqpError(Condition.ARGUMENT_ERROR, "A correlation-filter names at least one property.")
    return CorrelationFilter(system, {str(name): _value(value) for name, value in user.items()})


def _sql_filter(expression: str) -> Filter:
    """SDKs write the true and the false filter as these expressions."""
    known: dict[str, Filter] = {"1=1": TrueFilter(), "1=0": FalseFilter()}
    return known.get(expression.replace(" ", "")) or SqlFilter.parse(expression)


def _value(value: object) -> Value:
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    raise AmqpError(Condition.ARGUMENT_ERROR, "A property of a correlation-filter has a type without comparison.")


def _written(rule: Rule) -> Described:
    action = Described(ULong(_NO_ACTION), [])
    if rule.action is not None:
        action = Described(ULong(_ACTION), [rule.action.expression, Long(_COMPATIBILITY_LEVEL)])
    return Described(ULong(_RULE), [_written_filter(rule.filter), action, rule.name])


def _written_filter(filter_: Filter) -> Described:
    match filter_:
        case SqlFilter():
            return Described(ULong(_SQL), [filter_.expression, Long(_COMPATIBILITY_LEVEL)])
        case CorrelationFilter():
            fields: list[object] = [filter_.system.get(name) for name in _WIRE_NAMES.values()]
            user = {name: Long(value) if type(value) is int else value for name, value in filter_.user.items()}
            return Described(ULong(_CORRELATION), [*fields, user])
        case FalseFilter():
            return Described(ULong(_FALSE), [])
        case _:
            return Described(ULong(_TRUE), [])
