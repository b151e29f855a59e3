"""Rule expressions to functions: a recursive-descent parser for filters and actions, bounded in length and depth.

Grammar: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-sql-filter and
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-sql-rule-action
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from emulators.messaging.sql_tokens import Kind, SqlSyntaxError, Token, tokenize
from emulators.messaging.sql_values import (
    FilterError,
    Properties,
    Value,
    arithmetic,
    compare,
    conjunction,
    disjunction,
    like,
    negate,
    truth,
)

_MAX_DEPTH = 32
_MAX_STATEMENTS = 32
_COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")

type Expression = Callable[[Properties], Value]
type Parameters = Mapping[str, Value]
"""Values by name, the leading `@` included."""
_NONE: Parameters = {}


@dataclass(frozen=True, slots=True)
class Property:
    """`[scope.]name`."""

    name: str
    is_system: bool

    def read(self, properties: Properties) -> Value:
        return properties.system(self.name) if self.is_system else properties.user(self.name)


@dataclass(frozen=True, slots=True)
class Assignment:
    """SET, or REMOVE when there is no value."""

    target: Property
    value: Expression | None


def parse_filter(text: str, parameters: Parameters = _NONE) -> Expression:
    """A predicate; a message matches when it gives True. Raises SqlSyntaxError."""
    parser = _Parser(tokenize(text), parameters)
    predicate = parser.disjunction()
    parser.expect_end()
    return predicate


def parse_action(text: str, parameters: Parameters = _NONE) -> list[Assignment]:
    """The statements of an action. Raises SqlSyntaxError."""
    parser = _Parser(tokenize(text), parameters)
    statements = [parser.statement()]
    while not parser.at_end():
        if len(statements) == _MAX_STATEMENTS:
            raise SqlSyntaxError(f"An action has at most {_MAX_STATEMENTS} statements.")
        statements.append(parser.statement())
    return statements


class _Parser:
    """One method a rule of the grammar; each consumes its tokens."""

    def __init__(self, tokens: list[Token], parameters: Parameters) -> None:
        self._tokens = tokens
        self._parameters = parameters
        self._index = 0
        self._depth = 0

    # --- tokens -----------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> Token:
        return self._tokens[self._index]

    def _take(self) -> Token:
        token = self._next
        self._index += 1
        return token

    def _accept(self, kind: Kind, *texts: str) -> Token | None:
        if self._next.kind is kind and self._next.text in texts:
            return self._take()
        return None

    def _at_keyword(self, *texts: str) -> bool:
        return self._next.kind is Kind.KEYWORD and self._next.text in texts

    def _expect(self, kind: Kind, text: str) -> None:
        if self._accept(kind, text) is None:
            raise self._unexpected(f"'{text}' is expected")

    def _unexpected(self, expected: str) -> SqlSyntaxError:
        found = "the end" if self._next.kind is Kind.END else f"'{self._next.text}'"
        return SqlSyntaxError(f"At position {self._next.position}, {expected}, not {found}.")

    def at_end(self) -> bool:
        return self._next.kind is Kind.END

    def expect_end(self) -> None:
        if not self.at_end():
            raise self._unexpected("an operator or the end is expected")

    # --- predicates -------------------------------------------------------------------------------------------------

    def disjunction(self) -> Expression:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise SqlSyntaxError(f"The expression is nested deeper than {_MAX_DEPTH}.")
        result = self._conjunction()
        while self._accept(Kind.KEYWORD, "OR"):
            result = _logical(disjunction, result, self._conjunction())
        self._depth -= 1
        return result

    def _conjunction(self) -> Expression:
        result = self._negation()
        while self._accept(Kind.KEYWORD, "AND"):
            result = _logical(conjunction, result, self._negation())
        return result

    def _negation(self) -> Expression:
        negations = 0
        while self._accept(Kind.KEYWORD, "NOT"):
            negations += 1
        operand = self._comparison()
        if negations % 2 == 0:
            return operand
        return lambda message: negate(truth(operand(message)))

    def _comparison(self) -> Expression:
        if self._accept(Kind.KEYWORD, "EXISTS"):
            return self._exists()
        left = self._sum()
        symbol = self._accept(Kind.SYMBOL, *_COMPARISONS)
        if symbol is not None:
            right = self._sum()
            return lambda message: compare(symbol.text, left(message), right(message))
        if self._accept(Kind.KEYWORD, "IS"):
            return self._is_null(left)
        return self._membership(left)

    def _exists(self) -> Expression:
        self._expect(Kind.SYMBOL, "(")
        target = self._property()
        self._expect(Kind.SYMBOL, ")")
        if target.is_system:
            return lambda message: target.read(message) is not None
        return lambda message: message.exists(target.name)

    def _is_null(self, left: Expression) -> Expression:
        wanted = self._accept(Kind.KEYWORD, "NOT") is None
        self._expect(Kind.KEYWORD, "NULL")
        return lambda message: (left(message) is None) is wanted

    def _membership(self, left: Expression) -> Expression:
        """`[NOT] IN` or `[NOT] LIKE` after `left`, or `left` alone."""
        negated = self._accept(Kind.KEYWORD, "NOT") is not None
        if self._accept(Kind.KEYWORD, "IN"):
            result = self._in(left)
        elif self._accept(Kind.KEYWORD, "LIKE"):
            result = self._like(left)
        elif negated:
            raise self._unexpected("IN or LIKE is expected")
        else:
            return left
        return (lambda message: negate(truth(result(message)))) if negated else result

    def _in(self, left: Expression) -> Expression:
        self._expect(Kind.SYMBOL, "(")
        choices = [self._sum()]
        while self._accept(Kind.SYMBOL, ","):
            choices.append(self._sum())
        self._expect(Kind.SYMBOL, ")")

        def member(message: Properties) -> Value:
            value, found = left(message), False
            if value is None:
                return None
            for choice in choices:
                found = disjunction(found, compare("=", value, choice(message))) is True or found
            return found

        return member

    def _like(self, left: Expression) -> Expression:
        pattern = self._sum()
        escape = self._sum() if self._accept(Kind.KEYWORD, "ESCAPE") else None

        def matches(message: Properties) -> Value:
            operands = left(message), pattern(message), escape(message) if escape else "\x00"
            if None in operands:
                return None
            return like(*_like_operands(operands, escaped=escape is not None))

        return matches

    # --- expressions ------------------------------------------------------------------------------------------------

    def _sum(self) -> Expression:
        result = self._product()
        while (symbol := self._accept(Kind.SYMBOL, "+", "-")) is not None:
            result = _arithmetic(symbol.text, result, self._product())
        return result

    def _product(self) -> Expression:
        result = self._unary()
        while (symbol := self._accept(Kind.SYMBOL, "*", "/", "%")) is not None:
            result = _arithmetic(symbol.text, result, self._unary())
        return result

    def _unary(self) -> Expression:
        signs = []
        while (symbol := self._accept(Kind.SYMBOL, "+", "-")) is not None:
            signs.append(symbol.text)
        operand = self._primary()
        if not signs:
            return operand
        factor = -1 if signs.count("-") % 2 else 1
        return lambda message: arithmetic("*", operand(message), factor)

    def _primary(self) -> Expression:
        if self._accept(Kind.SYMBOL, "("):
            inner = self.disjunction()
            self._expect(Kind.SYMBOL, ")")
            return inner
        if self._next.kind in (Kind.NUMBER, Kind.STRING) or self._at_keyword("TRUE", "FALSE", "NULL"):
            constant = _constant(self._take())
            return lambda _message: constant
        if self._next.kind is Kind.PARAMETER:
            return self._parameter()
        if self._next.kind is Kind.NAME and self._tokens[self._index + 1].text == "(":
            return self._function()
        return self._property().read

    def _parameter(self) -> Expression:
        name = self._take().text
        if name not in self._parameters:
            raise SqlSyntaxError(f"The parameter '{name}' has no value.")
        value = self._parameters[name]
        return lambda _message: value

    def _function(self) -> Expression:
        name = self._take().text.lower()
        self._expect(Kind.SYMBOL, "(")
        if name == "newid":
            self._expect(Kind.SYMBOL, ")")
            return lambda _message: uuid4()
        if name not in ("property", "p"):
            raise SqlSyntaxError(f"'{name}' is not a function; newid() and property(name) are.")
        argument = self._sum()
        self._expect(Kind.SYMBOL, ")")
        return lambda message: _named(message, argument(message))

    def _property(self) -> Property:
        if self._next.kind is not Kind.NAME:
            raise self._unexpected("a property is expected")
        first = self._take().text
        if not self._accept(Kind.SYMBOL, "."):
            return Property(first, is_system=False)
        if first.lower() not in ("sys", "user") or self._next.kind is not Kind.NAME:
            raise SqlSyntaxError(f"'{first}.' is not followed by a name, or is no scope; sys and user are.")
        return Property(self._take().text, is_system=first.lower() == "sys")

    # --- actions ----------------------------------------------------------------------------------------------------

    def statement(self) -> Assignment:
        keyword = self._accept(Kind.KEYWORD, "SET", "REMOVE")
        if keyword is None:
            raise self._unexpected("SET or REMOVE is expected")
        target, value = self._property(), None
        if keyword.text == "SET":
            self._expect(Kind.SYMBOL, "=")
            value = self._sum()
        self._accept(Kind.SYMBOL, ";") or self._accept(Kind.SYMBOL, ",")
        return Assignment(target, value)


def _logical(
    join: Callable[[bool | None, bool | None], bool | None], left: Expression, right: Expression
) -> Expression:
    return lambda message: join(truth(left(message)), truth(right(message)))


def _arithmetic(symbol: str, left: Expression, right: Expression) -> Expression:
    return lambda message: arithmetic(symbol, left(message), right(message))


def _named(message: Properties, name: Value) -> Value:
    if name is None or isinstance(name, str):
        return None if name is None else message.user(name)
    raise FilterError("The argument of property() is not a string.")


def _like_operands(operands: tuple[Value, Value, Value], *, escaped: bool) -> tuple[str, str, str | None]:
    text, pattern, escape = operands
    if not (isinstance(text, str) and isinstance(pattern, str) and isinstance(escape, str) and len(escape) == 1):
        raise FilterError("LIKE compares strings, and ESCAPE takes one character.")
    return text, pattern, escape if escaped else None


def _constant(token: Token) -> Value:
    match token.kind:
        case Kind.STRING:
            return token.text
        case Kind.NUMBER if token.text.isdigit():
            return _int64(token)
        case Kind.NUMBER:
            return float(token.text)
        case _:
            return {"TRUE": True, "FALSE": False, "NULL": None}[token.text]


def _int64(token: Token) -> int:
    value = int(token.text)
    if value >= 1 << 63:
        raise SqlSyntaxError(f"{token.text} does not fit 64 bits.")
    return value
