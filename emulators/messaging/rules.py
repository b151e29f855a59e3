"""Rules of a subscription: which messages it takes, and how they are changed on the way in.

Semantics: https://learn.microsoft.com/azure/service-bus-messaging/topic-filters. Rules without an action together make
one copy of a message; each matching rule with an action makes one more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from emulators.messaging.message import Incoming
from emulators.messaging.properties import MessageProperties
from emulators.messaging.sql_parser import Assignment, Expression, parse_action, parse_filter
from emulators.messaging.sql_values import FilterError, Value, truth

DEFAULT_RULE = "$Default"


class Filter(Protocol):
    """Decides whether a message is taken."""

    def matches(self, message: MessageProperties) -> bool:
        """Raises FilterError."""


@dataclass(frozen=True, slots=True)
class TrueFilter:
    """Takes every message."""

    def matches(self, message: MessageProperties) -> bool:  # noqa: ARG002 - part of the protocol
        return True


@dataclass(frozen=True, slots=True)
class FalseFilter:
    """Takes no message."""

    def matches(self, message: MessageProperties) -> bool:  # noqa: ARG002 - part of the protocol
        return False


@dataclass(frozen=True, slots=True)
class CorrelationFilter:
    """Takes messages whose properties all equal the given ones, with regard to case; names are those of rules."""

    system: Mapping[str, str]
    user: Mapping[str, Value]

    def matches(self, message: MessageProperties) -> bool:
        return all(_same(message.system(name), wanted) for name, wanted in self.system.items()) and all(
            _same(message.user(name), wanted) for name, wanted in self.user.items()
        )


def _same(value: Value, wanted: Value) -> bool:
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


@dataclass(frozen=True, slots=True)
class SqlFilter:
    """Takes messages for which the expression is true."""

    expression: str
    predicate: Expression = field(repr=False, compare=False)
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, expression: str, parameters: Mapping[str, Value] | None = None) -> "SqlFilter":
        """Raises SqlSyntaxError."""
        given = dict(parameters or {})
        return cls(expression, parse_filter(expression, given), given)

    def matches(self, message: MessageProperties) -> bool:
        return truth(self.predicate(message)) is True


@dataclass(frozen=True, slots=True)
class SqlAction:
    """Changes the properties of a copy."""

    expression: str
    statements: Sequence[Assignment] = field(repr=False, compare=False)
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, expression: str, parameters: Mapping[str, Value] | None = None) -> "SqlAction":
        """Raises SqlSyntaxError."""
        given = dict(parameters or {})
        return cls(expression, parse_action(expression, given), given)

    def apply(self, incoming: Incoming) -> Incoming:
        """A changed copy. Raises FilterError."""
        message = MessageProperties(incoming)
        for statement in self.statements:
            _carry_out(statement, message)
        return message.changed()


def _carry_out(statement: Assignment, message: MessageProperties) -> None:
    value = None if statement.value is None else statement.value(message)
    name = statement.target.name
    if statement.target.is_system:
        message.set_system(name, value)
    elif statement.value is None:
        message.remove_user(name)
    else:
        message.set_user(name, value)


@dataclass(frozen=True, slots=True)
class Rule:
    """A named filter with an optional action."""

    name: str
    filter: Filter
    action: SqlAction | None = None
    created_at: float = 0.0
    """Seconds since 1970; 0 for a rule of the configuration."""


def copies(rules: Sequence[Rule], incoming: Incoming) -> list[Incoming]:
    """What a subscription with these rules takes of a message: nothing, one copy or several. Raises FilterError."""
    if all(isinstance(rule.filter, TrueFilter) and rule.action is None for rule in rules):
        return [incoming] if rules else []
    properties = MessageProperties(incoming)
    matching = [rule for rule in rules if rule.filter.matches(properties)]
    plain = [incoming] if any(rule.action is None for rule in matching) else []
    return plain + [rule.action.apply(incoming) for rule in matching if rule.action is not None]


__all__ = [
    "DEFAULT_RULE",
    "CorrelationFilter",
    "FalseFilter",
    "Filter",
    "FilterError",
    "Rule",
    "SqlAction",
    "SqlFilter",
    "TrueFilter",
    "copies",
]
